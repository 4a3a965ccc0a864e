package master

import "sync/atomic"

// refusal is why a roll that nobody waits for was refused, until it has been tried again.
type refusal struct{ text atomic.Pointer[string] }

func (r *refusal) set(why string) { r.text.Store(&why) }

// why is empty where nothing is to be tried again.
func (r *refusal) why() string {
	if text := r.text.Load(); text != nil {
		return *text
	}
	return ""
}
