package health

import (
	"slices"
	"time"
)

// window is how many answers Latency remembers.
const window = 32

// Latency is how long the last answers of a worker took.
type Latency struct {
	Answers []time.Duration `json:"answers,omitempty"` // the newest last
}

func (l *Latency) add(took time.Duration) {
	if len(l.Answers) == window {
		l.Answers = slices.Delete(l.Answers, 0, 1)
	}
	l.Answers = append(l.Answers, took)
}

// IsZero says whether there was no answer.
func (l Latency) IsZero() bool { return len(l.Answers) == 0 }

// Last is that of the last answer, 0 where there was none, as the others.
func (l Latency) Last() time.Duration {
	if l.IsZero() {
		return 0
	}
	return l.Answers[len(l.Answers)-1]
}

// Median is that of the window; of an even number the lower one.
func (l Latency) Median() time.Duration {
	if l.IsZero() {
		return 0
	}
	return slices.Sorted(slices.Values(l.Answers))[(len(l.Answers)-1)/2]
}

// Max is the longest of the window.
func (l Latency) Max() time.Duration {
	if l.IsZero() {
		return 0
	}
	return slices.Max(l.Answers)
}
