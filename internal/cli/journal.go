package cli

import (
	"os"
	"strconv"

	"relevo/internal/config"
	"relevo/internal/journal"
	"relevo/internal/launch"
)

// journalStreams makes each line in systemd's journal name the worker that has printed it. It is
// used if the output goes to the journal and the user asked for no other form.
func (c *cli) journalStreams(app config.App, s launch.Streams) launch.Streams {
	if app.Output != config.OutputAuto {
		return s
	}
	to := journal.Of(c.getenv, journal.Socket, c.stdout, c.stderr)
	if to == nil {
		return s
	}
	files := [2]*os.File{c.stdout, c.stderr}
	open := func(s launch.OutputSource, begun []byte, _ bool) launch.Lines {
		return &journal.Lines{To: to, Fields: journal.Encode(ofWorker(app.Name, s)...), Begun: begun,
			Lost: func(line []byte) { files[s.Stream].Write(line) }}
	}
	return launch.Streams{Out: c.stdout, Err: c.stderr, Open: open}
}

// ofWorker returns the fields for the output of a worker.
func ofWorker(app string, s launch.OutputSource) []journal.Field {
	return []journal.Field{
		{Name: "SYSLOG_IDENTIFIER", Value: app + "/" + strconv.Itoa(s.Slot)},
		{Name: "SYSLOG_PID", Value: strconv.Itoa(s.PID)},
		{Name: "RELEVO_APP", Value: app},
		{Name: "RELEVO_SLOT", Value: strconv.Itoa(s.Slot)},
		{Name: "RELEVO_GENERATION", Value: strconv.Itoa(s.Generation)},
		{Name: "RELEVO_WORKER", Value: s.Worker},
		{Name: "RELEVO_PID", Value: strconv.Itoa(s.PID)},
		{Name: "RELEVO_STREAM", Value: [2]string{"out", "err"}[s.Stream]},
	}
}
