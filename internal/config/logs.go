package config

import (
	"fmt"
	"time"
)

// Logs bound the files of OutputFiles.
type Logs struct {
	MaxSize int64         // of one file
	MaxAge  time.Duration // of its first line, when the next one is begun; 0: any
	Keep    int           // number of old files
}

// DefaultLogs allow 352 MiB at most, about a tenth of that after old files are compressed.
func DefaultLogs() Logs { return Logs{MaxSize: 32 << 20, MaxAge: 24 * time.Hour, Keep: 10} }

// The bounds of Logs.
const (
	minLogSize = 64 << 10
	minLogAge  = time.Minute
	maxLogKeep = 10_000
)

func logSettings() []Setting {
	return []Setting{
		one("log.max_size", "log-max-size", textOrNumber(written("SIZE", "32MiB", ParseSize, SizeText)),
			Restart, func(a *App) *int64 { return &a.Logs.MaxSize },
			"size at which output = files begins the next file, at least 64KiB"),
		one("log.max_age", "log-max-age", duration(), Restart, func(a *App) *time.Duration { return &a.Logs.MaxAge },
			"age of a file's first line at which the next file is begun, at least 1m; 0 for any"),
		one("log.keep", "log-keep", number(10, 0, maxLogKeep), Restart, func(a *App) *int { return &a.Logs.Keep },
			"number of old files, which are compressed; the oldest are removed"),
	}
}

func (l *Logs) problems() (all []problem) {
	wrong := func(is bool, key, format string, args ...any) {
		if is {
			all = append(all, problem{key, fmt.Errorf(format, args...)})
		}
	}
	wrong(l.MaxSize < minLogSize, "log.max_size", "cannot use log files of %d bytes: at least 64KiB", l.MaxSize)
	wrong(l.MaxAge != 0 && l.MaxAge < minLogAge, "log.max_age",
		"cannot use a file age of %s: at least %s, or 0 for any", l.MaxAge, DurationText(minLogAge))
	wrong(l.Keep < 0 || l.Keep > maxLogKeep, "log.keep", "cannot keep %d old log files: write 0 to %d", l.Keep, maxLogKeep)
	return all
}

// idleLogs are settings of files that are not written.
func (a *App) idleLogs(given func(key string) bool) (all []idle) {
	for _, s := range logSettings() {
		if given(s.Key) && a.Output != OutputFiles {
			all = append(all, idle{s.Key, "output", false, fmt.Sprintf("%s has no effect: output = %q writes no "+
				"files; write output = \"files\"", s.Key, a.Output)})
		}
	}
	return all
}
