package master

func (m *Master) pauseNotify() {
	if m.notify != nil {
		m.report(m.notify.Pause())
		<-m.notified // what was read is delivered
	}
}

func (m *Master) resumeNotify() {
	if m.notify != nil {
		m.report(m.notify.Resume())
		m.serveNotify()
	}
}

// serveNotify serves until Pause or the end.
func (m *Master) serveNotify() {
	m.notified = make(chan struct{})
	go func() {
		defer close(m.notified)
		m.report(m.notify.Serve(m.launcher.Notified))
	}()
}
