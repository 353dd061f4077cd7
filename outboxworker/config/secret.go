package config

// secret.go holds values that must not be shown, and how they are read from files.

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Secret is a value that must not be shown: formatted or marshalled, it is
// "[redacted]".
type Secret string

const redacted = "[redacted]"

// String returns "[redacted]", or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns what String does, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns what String does, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// maxSecretFile is the most bytes of a file with a secret; more is another file.
const maxSecretFile = 64 << 10

// secret reads the file that a secret may be in. key is the secret's; its file is
// in key_file.
func (p *problems) secret(key string, value *Secret, file string) {
	switch {
	case file == "":
	case *value != "":
		p.at(key+"_file", "%s is set too; set one of them", lastName(key))
	default:
		content, err := readSecret(file)
		if err != nil {
			p.at(key+"_file", "%v", err)
			return
		}
		*value = content
	}
}

// required tells whether a secret is there, and notes if neither it nor its file is.
func (p *problems) required(key string, value Secret, file string) bool {
	if value == "" && file == "" {
		p.at(key, "not set; write it, or name its file as %s_file, or set the variable %s", lastName(key), variableOf(key))
	}
	return value != ""
}

// readSecret returns a file's content without the line end at its end, which
// editors add.
func readSecret(name string) (Secret, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("opening the secret's file: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the secret's file: %w", err)
	}
	if len(content) > maxSecretFile {
		return "", fmt.Errorf("reading the secret's file %s: it is larger than 64 KiB", name)
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", fmt.Errorf("reading the secret's file %s: it is empty", name)
	}
	return Secret(value), nil
}

// lastName returns the last part of a key.
func lastName(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}
