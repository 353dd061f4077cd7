package onepass

// InOneRun returns Judge with a run of its own: with the race detector on, pools lose what they hold.
func InOneRun(p *Program) func(text []byte) Verdict {
	r := new(run)
	return func(text []byte) Verdict { return r.judge(p, text) }
}

// WithEqualPrints returns Judge with fingerprints that are all the same.
func WithEqualPrints(p *Program) func(text []byte) Verdict {
	r := &run{ignored: ^uint64(0)}
	return func(text []byte) Verdict { return r.judge(p, text) }
}
