package watch

import "github.com/fsnotify/fsnotify"

// pump reads events and errors until both channels are closed, and then closes pumped. It
// runs independently of the reader, because fsnotify sends some errors while it holds the
// lock that its Add and Remove need: a reader that received them itself could wait in Add
// for itself.
func pump(events <-chan fsnotify.Event, errs <-chan error, pumped chan<- struct{}, event func(fsnotify.Event),
	lost func(),
) {
	defer close(pumped)
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			event(e)
		case _, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			lost()
		}
	}
}
