package dev

import "slices"

// plan decides which step is next. Steps run one after the other; each runs when one of its inputs
// has changed since its last run. The workers are replaced at the end.
type plan struct {
	inputs  []func(path string) bool // of each step
	rolls   func(path string) bool   // files whose change replaces the workers without a step
	replace []bool                   // whether the workers are replaced after the step

	dirty   []bool
	roll    bool
	running int  // the step that runs; -1: none
	halted  bool // a step failed: nothing runs until something changes
}

func newPlan(inputs []func(string) bool, replace []bool, rolls func(string) bool) *plan {
	return &plan{inputs: inputs, replace: replace, rolls: rolls, dirty: make([]bool, len(inputs)), running: -1}
}

// changed handles changed files. concerns says whether any step or the workers depend on them;
// cancel says that the running step has to end, because it may have read the old files.
func (p *plan) changed(paths []string) (concerns, cancel bool) {
	for i, input := range p.inputs {
		if slices.ContainsFunc(paths, input) {
			p.dirty[i], concerns = true, true
			cancel = cancel || i <= p.running
		}
	}
	if slices.ContainsFunc(paths, p.rolls) {
		p.roll, concerns = true, true
	}
	if concerns {
		p.halted = false
	}
	return concerns, cancel
}

// all marks every step to run again.
func (p *plan) all() {
	for i := range p.dirty {
		p.dirty[i] = true
	}
	p.roll, p.halted = true, false
}

// next begins the next step; ok is false if there is none.
func (p *plan) next() (step int, ok bool) {
	if p.halted || p.running >= 0 {
		return -1, false
	}
	i := slices.Index(p.dirty, true)
	if i < 0 {
		return -1, false
	}
	p.dirty[i], p.running = false, i
	return i, true
}

// ended handles the end of the running step. A step that failed or was cancelled has to run again,
// after a failure only when something has changed.
func (p *plan) ended(good, cancelled bool) {
	i := p.running
	p.running = -1
	switch {
	case good && !cancelled:
		p.roll = p.roll || p.replace[i]
	case cancelled:
		p.dirty[i] = true
	default:
		p.dirty[i], p.halted = true, true
	}
}

// idle says whether nothing is left to run.
func (p *plan) idle() bool {
	return p.running < 0 && (p.halted || !slices.Contains(p.dirty, true))
}

// takeRoll says whether to replace the workers now.
func (p *plan) takeRoll() bool {
	roll := p.roll && !p.halted && p.idle()
	if roll {
		p.roll = false
	}
	return roll
}
