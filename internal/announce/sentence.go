package announce

import (
	"fmt"
	"log/slog"
	"strings"

	"relevo/pool"
)

// Sentence is an event in one line, in the words of the log; empty for those that the log shows
// only at the level debug. bad says that a person should look at it.
func Sentence(e pool.Event) (bad bool, text string) {
	level, text := describe(e)
	if text == "" || level < slog.LevelInfo {
		return false, ""
	}
	parts := []string{text}
	if e.ID != "" {
		parts = append(parts, keyWorker+" "+e.ID)
	}
	if e.Generation != 0 {
		parts = append(parts, fmt.Sprintf("%s %d", keyGen, e.Generation))
	}
	for _, attr := range details(e) {
		parts = append(parts, attr.Key+" "+attr.Value.String())
	}
	return level > slog.LevelInfo, strings.Join(parts, " · ")
}
