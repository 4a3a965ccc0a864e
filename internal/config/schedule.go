package config

import (
	"fmt"
	"time"

	"relevo/internal/schedule"
)

// Schedule says when workers are rolled by the clock. The zero value is never.
type Schedule struct {
	Roll   string // cron's five fields; empty: never
	Zone   string // of the zone database; empty: that of this machine
	Jitter time.Duration
}

// maxJitter is a bound against typing errors.
const maxJitter = 24 * time.Hour

// On says whether workers are rolled by the clock.
func (s Schedule) On() bool { return s.Roll != "" }

// Plan is the schedule as times; its errors were found by the check of the settings.
func (s Schedule) Plan() (schedule.Plan, error) { return schedule.New(s.Roll, s.Zone, s.Jitter) }

// scheduleOff takes back what a weaker source says.
const scheduleOff = "off"

func scheduleSettings() []Setting {
	line := written("CRON", "0 4 * * *", func(text string) (string, error) {
		if text == scheduleOff {
			return "", nil
		}
		_, err := schedule.ParseLine(text)
		return text, err
	}, func(text string) string { return text })
	zone := written("ZONE", "Europe/Madrid", func(text string) (string, error) {
		_, err := schedule.ParseZone(text)
		return text, err
	}, func(text string) string { return text })
	return []Setting{
		one("schedule.roll", "schedule", line, Live, func(a *App) *string { return &a.Schedule.Roll },
			"when all workers are replaced, by the clock: five fields as cron has them, @daily or @weekly; off for never"),
		one("schedule.timezone", "schedule-timezone", zone, Live, func(a *App) *string { return &a.Schedule.Zone },
			"time zone of the schedule (default: that of the machine)"),
		one("schedule.jitter", "schedule-jitter", duration(), Live, func(a *App) *time.Duration { return &a.Schedule.Jitter },
			"delay of each roll by the clock, another one for each app, machine and day, from 0 to this; so that not all "+
				"machines roll at once"),
	}
}

func (s *Schedule) problems() (all []problem) {
	if s.Jitter < 0 || s.Jitter > maxJitter {
		all = append(all, problem{"schedule.jitter",
			fmt.Errorf("cannot use a jitter of %s: 0 to %s are possible", DurationText(s.Jitter), DurationText(maxJitter))})
	}
	return all
}

// idle is what belongs to a schedule that there is not.
func (s *Schedule) idle(given func(key string) bool) (all []idle) {
	for _, key := range []string{"schedule.timezone", "schedule.jitter"} {
		if given(key) && !s.On() {
			all = append(all, idle{key, "schedule.roll", true, fmt.Sprintf("use %s without a schedule, for nothing is "+
				`rolled by the clock: write roll = "0 4 * * *" in [schedule], or --schedule "0 4 * * *"`, key)})
		}
	}
	return all
}
