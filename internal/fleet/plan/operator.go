package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Wish is what an operator wants of a deploy.
type Wish string

const (
	Pause    Wish = "pause"
	Resume   Wish = "resume"
	Abort    Wish = "abort"
	Rollback Wish = "rollback"
)

// Heed returns the deploy after an operator's wish, or an error that says why it has no meaning now.
func Heed(d Deploy, w Wish) (Deploy, error) {
	if !slices.Contains(allowed(w), d.State) {
		return d, fmt.Errorf("the deploy is %s, and %s is for one that is %s", d.State, w, list(allowed(w)))
	}
	switch w {
	case Pause:
		d.State = Paused
	case Resume:
		d = d.resume()
	case Abort:
		d = d.stop()
		d.State = Aborted
	case Rollback:
		d = d.stop()
		d.State, d.Back = RollingBack, true
	}
	return d, nil
}

// resume continues. What has failed is tried again in a new stage.
func (d Deploy) resume() Deploy {
	if d.State == Held {
		d = d.stop()
	}
	d.State, d.Reason = Rolling, ""
	if d.Back {
		d.State = RollingBack
	}
	return d
}

func allowed(w Wish) []State {
	switch w {
	case Pause:
		return []State{Rolling}
	case Resume:
		return []State{Paused, Held}
	case Abort:
		return []State{Rolling, Paused, Held, RollingBack}
	case Rollback:
		return []State{Rolling, Paused, Held, Complete, Aborted}
	}
	return nil
}

func list(states []State) string {
	var words []string
	for _, s := range states {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}
