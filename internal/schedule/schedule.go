package schedule

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	_ "time/tzdata" // for machines and containers that have no zones of their own

	"github.com/robfig/cron/v3"
)

// Plan is a line that was read. The zero value is never due.
type Plan struct {
	fields cron.Schedule
	zone   *time.Location
	jitter time.Duration
}

const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor

func wrongLine(line, why string) error {
	return fmt.Errorf("cannot use %q as a schedule: %s; write minute, hour, day, month and weekday, as in "+
		`"0 4 * * *" for each day at 04:00`, line, why)
}

// ParseLine reads cron's five fields, or @hourly, @daily, @weekly, @monthly or @yearly.
func ParseLine(line string) (cron.Schedule, error) {
	words := strings.Fields(line)
	wrong := func(why string) error { return wrongLine(line, why) }
	switch {
	case strings.Contains(line, "TZ="):
		return nil, wrong("the time zone is a setting of its own, timezone")
	case strings.HasPrefix(line, "@every"):
		return nil, wrong("it is no time of day")
	case len(words) == 6:
		return nil, wrong("it has 6 fields, where a line of cron has 5: there are no seconds")
	case len(words) != 5 && !strings.HasPrefix(line, "@"):
		return nil, wrong(fmt.Sprintf("it has %d of 5 fields", len(words)))
	}
	read, err := cron.NewParser(fields).Parse(strings.Join(words, " "))
	if err != nil {
		return nil, wrong(whatIsWrong(words, err))
	}
	if read.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, wrong("no such day exists")
	}
	return read, nil
}

// whatIsWrong names the field that cannot be read.
func whatIsWrong(words []string, err error) string {
	for i, field := range []struct{ name, values string }{
		{"minute", "0 to 59"}, {"hour", "0 to 23"}, {"day", "1 to 31"}, {"month", "1 to 12, or JAN to DEC"},
		{"weekday", "0 to 6 from Sunday on, or SUN to SAT"},
	} {
		alone := []string{"*", "*", "*", "*", "*"}
		if len(words) != len(alone) {
			break
		}
		alone[i] = words[i]
		if _, failed := cron.NewParser(fields).Parse(strings.Join(alone, " ")); failed != nil {
			return fmt.Sprintf("its %s %q cannot be read: it may be %s, also as 1-5, 1,3 or */2", field.name, words[i],
				field.values)
		}
	}
	return err.Error()
}

// ParseZone reads a name of the zone database such as Europe/Madrid, UTC or Local; empty is
// Local.
func ParseZone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("cannot use %q as a time zone: it is not known; write a name such as Europe/Madrid, "+
			"America/New_York or UTC", name)
	}
	return zone, nil
}

// New makes a plan. Each time comes up to jitter later.
func New(line, zone string, jitter time.Duration) (Plan, error) {
	read, wrong := ParseLine(line)
	where, unknown := ParseZone(zone)
	return Plan{read, where, jitter}, errors.Join(wrong, unknown)
}

// Next returns the first time of the plan after another one; the zero time if there is none.
func (p Plan) Next(after time.Time) time.Time {
	if p.fields == nil {
		return time.Time{}
	}
	for wall := onTheWall(after.In(p.zone)); ; {
		if wall = p.fields.Next(wall); wall.IsZero() {
			return wall
		}
		if at := p.at(wall); at.After(after) {
			return at
		}
	}
}

// Due is Next, delayed by up to jitter. The delay depends on the time and on who asks, such as an app
// on a machine; for both it is always the same.
func (p Plan) Due(who string, after time.Time) time.Time {
	next := p.Next(after)
	if next.IsZero() || p.jitter <= 0 {
		return next
	}
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%s %d", who, next.Unix())
	return next.Add(time.Duration(sum.Sum64() % uint64(p.jitter)))
}

// onTheWall is what a clock on the wall shows, as a time in UTC.
func onTheWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// at returns the moment when the clock on the wall first shows a time or, if it skips that time, the
// moment of the change.
func (p Plan) at(wall time.Time) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, p.zone)
	start, end := t.ZoneBounds()
	switch shown := onTheWall(t); {
	case shown.After(wall): // the clock skips it, and t is in the zone after that
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Nanosecond).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); before > now && first.Before(start) {
		return first
	}
	return t
}
