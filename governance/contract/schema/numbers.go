package schema

// This file holds what can be said of a number by looking at its text.

// maxDigits is the highest limit of digits that is kept to: math/big reads no number with an exponent beyond it.
const maxDigits = 1_000_000

// modest tells whether the digits of a number and its exponent together stay within a limit, so that computing with
// it exactly is cheap.
func modest(number string, limit int) bool {
	digits, i := 0, 0
	for ; i < len(number) && number[i]|0x20 != 'e'; i++ {
		if '0' <= number[i] && number[i] <= '9' {
			digits++
		}
	}
	exponent := 0
	for ; i < len(number); i++ {
		if '0' <= number[i] && number[i] <= '9' && exponent <= limit {
			exponent = exponent*10 + int(number[i]-'0')
		}
	}
	return digits+exponent <= limit
}

// integral returns the value of a number that is written as an integer of at most 18 digits, which are most.
func integral(number string) (value int64, ok bool) {
	digits := number
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		value = value*10 + int64(digits[i]-'0')
	}
	if len(digits) != len(number) {
		value = -value
	}
	return value, true
}
