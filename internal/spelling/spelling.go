// Package spelling tells how alike two names are, to suggest what a mistyped one may have been meant to be.
package spelling

// Distance is the Levenshtein distance of two texts in bytes: the least number of bytes to insert, to remove and to
// replace that turns one into the other (V. Levenshtein, 1966).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
