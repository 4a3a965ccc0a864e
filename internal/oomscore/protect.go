package oomscore

import (
	"os"
	"strconv"
	"strings"
)

const ownFile = "/proc/self/oom_score_adj"

func readOwn() (int, error) {
	text, err := os.ReadFile(ownFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func writeOwn(value int) error { return os.WriteFile(ownFile, []byte(strconv.Itoa(value)), 0) }

func (p process) protect() (workers int, ok bool) {
	base, err := p.read()
	if err != nil {
		return 0, false
	}
	if before, err := strconv.Atoi(p.getenv(envBase)); err == nil {
		base = before
	}
	if base <= protected {
		return base, true // the user or the unit has set it already
	}
	if p.write(protected) == nil && p.setenv(envBase, strconv.Itoa(base)) == nil {
		return base, true
	}
	return min(base+ahead, highest), true
}
