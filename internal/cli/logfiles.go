package cli

import (
	"log/slog"
	"os"

	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/internal/logfile"
	"relevo/internal/phrase"
)

// logFiles writes a master's output to files; nil if the app has no log files.
type logFiles struct{ *logfile.Writer }

// openLogFiles makes the master's log go to the files too, if the app has any. If stderr is a file
// in the same directory, the log goes to the log files alone, because stderr's file does not
// rotate.
func (c *cli) openLogFiles(app config.App, dir string, log *slog.Logger) (*logFiles, *slog.Logger) {
	if app.Output != config.OutputFiles {
		return nil, log
	}
	_ = logfile.MakeDir(dir) // readers may follow before the first line; the Writer reports a failure
	tell := func(l logfile.Loss) {
		if l.Err != nil {
			log.Warn("cannot write the output of the workers: lines are lost until that is mended", "err", l.Err)
			return
		}
		log.Warn("the output of the workers is written again", "lost", phrase.Count(int(l.Lines), "line"),
			"bytes", l.Bytes, "since", l.Since)
	}
	files := &logFiles{logfile.New(logfile.Options{Dir: dir, Limits: limitsOf(app.Logs), Tell: tell})}
	own := slog.NewTextHandler(files.Stream(logfile.Source{Slot: -1, PID: os.Getpid(), Stream: logfile.Log}, nil, false),
		&slog.HandlerOptions{Level: app.LogLevel, ReplaceAttr: timeless})
	if liesIn(dir, c.stderr) {
		log = slog.New(own)
	} else {
		log = slog.New(slog.NewMultiHandler(log.Handler(), own))
	}
	return files, log
}

// limitsOf returns the limits that were set. The legacy of an older master may have none.
func limitsOf(l config.Logs) logfile.Limits {
	if l.MaxSize == 0 {
		l = config.DefaultLogs()
	}
	limits := logfile.Limits{MaxSize: l.MaxSize, MaxAge: l.MaxAge, Keep: l.Keep}
	if l.MaxAge == 0 {
		limits.MaxAge = -1
	}
	if l.Keep == 0 {
		limits.Keep = -1
	}
	return limits
}

// timeless omits the time, because each line of a log file begins with one.
func timeless(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return printableAttr(groups, attr)
}

// liesIn says whether a directory has an entry for the open regular file.
func liesIn(dir string, file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if other, err := e.Info(); err == nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}

// streams makes the workers' output go to the files.
func (f *logFiles) streams(s launch.Streams) launch.Streams {
	if f == nil {
		return s
	}
	return launch.Streams{Open: func(s launch.OutputSource, begun []byte, torn bool) launch.Lines {
		stream := logfile.Out
		if s.Stream == 1 {
			stream = logfile.Err
		}
		source := logfile.Source{Slot: s.Slot, Generation: s.Generation, PID: s.PID, Stream: stream}
		return f.Stream(source, begun, torn)
	}}
}

func (f *logFiles) close() {
	if f != nil {
		f.Close()
	}
}
