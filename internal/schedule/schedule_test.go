package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, zone, after, want string }{
		{"0 4 * * *", "UTC", "2026-11-26T03:59:59Z", "2026-11-26T04:00:00Z"},
		{"0 4 * * *", "UTC", "2026-11-26T04:00:00Z", "2026-11-27T04:00:00Z"},
		{"0 4 * * *", "Europe/Madrid", "2026-11-26T00:00:00Z", "2026-11-26T03:00:00Z"},
		{"@daily", "Asia/Kolkata", "2026-11-26T00:00:00Z", "2026-11-26T18:30:00Z"},
		{"0 4 * * 0", "UTC", "2026-11-26T00:00:00Z", "2026-11-29T04:00:00Z"},
		{"0 0 29 2 *", "UTC", "2026-11-26T00:00:00Z", "2028-02-29T00:00:00Z"},
		// In Madrid 02:00 is followed by 03:00 on 29 March 2026, and 03:00 by 02:00 on 25 October.
		{"30 2 * * *", "Europe/Madrid", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"},
		{"30 2 * * *", "Europe/Madrid", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"*/20 2 * * *", "Europe/Madrid", "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"},
		{"*/20 2 * * *", "Europe/Madrid", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		{"30 2 * * *", "Europe/Madrid", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"},
		{"30 2 * * *", "Europe/Madrid", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"0 3 * * *", "Europe/Madrid", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},
		// The clock of Lord Howe is put by half an hour; Samoa has left out 30 December 2011.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z"},
		{"0 12 * * *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"},
	} {
		p, err := New(test.line, test.zone, 0)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := time.Parse(time.RFC3339, test.after)
		if got := p.Next(after).UTC().Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s after %s: %s, want %s", test.line, test.zone, test.after, got, test.want)
		}
	}
}

// TestOnceADay: a time of the day comes once on each day of eight years, in any zone.
func TestOnceADay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
		"America/Santiago", "Asia/Tehran"} {
		for _, line := range []string{"30 2 * * *", "0 0 * * *", "15 1 * * *", "59 23 * * *"} {
			p, err := New(line, zone, 0)
			if err != nil {
				t.Fatal(err)
			}
			where, _ := time.LoadLocation(zone)
			at := time.Date(2010, 1, 1, 12, 0, 0, 0, where)
			for day := range 8 * 365 {
				next := p.Next(at)
				if gap := next.Sub(at); day > 0 && (gap < 21*time.Hour || gap > 27*time.Hour) {
					t.Fatalf("%s in %s: %s is followed by %s", line, zone, at, next)
				}
				at = next
			}
		}
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"0 0 4 * * *":                 "6 fields",
		"0 4 *":                       "3 of 5 fields",
		"":                            "0 of 5 fields",
		"0 25 * * *":                  `its hour "25" cannot be read: it may be 0 to 23`,
		"60 4 * * *":                  `its minute "60"`,
		"0 4 0 * *":                   `its day "0"`,
		"0 4 * 13 *":                  `its month "13"`,
		"0 4 * * mon-":                `its weekday "mon-"`,
		"0 0 30 2 *":                  "no such day",
		"0 0 31 4,6 *":                "no such day",
		"@every 1h":                   "no time of day",
		"@reboot":                     "@reboot",
		"CRON_TZ=UTC 0 4 * * *":       "timezone",
		"0 4 * * MONDAY":              "monday",
		strings.Repeat("* ", 5) + "*": "6 fields",
	} {
		_, err := New(line, "", 0)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot use ") ||
			!strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("%q: %v, want %q in it", line, err, want)
		}
	}
	if _, err := New("0 4 * * *", "Europe/Atlantis", 0); err == nil ||
		!strings.HasPrefix(err.Error(), `cannot use "Europe/Atlantis" as a time zone`) {
		t.Errorf("%v", err)
	}
}

// TestJitter: the delay is the same for the same time, and another one for another app.
func TestJitter(t *testing.T) {
	t.Parallel()
	p, _ := New("0 4 * * *", "UTC", time.Hour)
	after := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	next, seen := p.Next(after), map[time.Time]bool{}
	for _, app := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		due := p.Due(app, after)
		if due != p.Due(app, after.Add(time.Minute)) || due.Before(next) || !due.Before(next.Add(time.Hour)) {
			t.Errorf("%s is due at %s", app, due)
		}
		seen[due] = true
	}
	if len(seen) < 6 {
		t.Errorf("eight apps are due at %d times", len(seen))
	}
	if !(Plan{}).Due("a", after).IsZero() {
		t.Error("a plan without a line is due")
	}
}

func FuzzLine(f *testing.F) {
	for _, line := range []string{"0 4 * * *", "*/5 1-3 1,15 * MON", "@daily", "0 0 29 2 *"} {
		f.Add(line, int64(1795000000))
	}
	f.Fuzz(func(t *testing.T, line string, at int64) {
		p, err := New(line, "Europe/Madrid", 0)
		if err != nil {
			return
		}
		after := time.Unix(at%(1<<33), 0)
		if next := p.Next(after); !next.IsZero() && !next.After(after) {
			t.Errorf("%q: %s comes after %s", line, next, after)
		}
	})
}
