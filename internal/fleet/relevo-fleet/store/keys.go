package store

import (
	"fmt"
	"regexp"
)

const (
	// Root is the prefix of all keys.
	Root     = "/relevo-fleet/"
	apps     = Root + "apps/"
	machines = Root + "machines/"
	// afterMachines ends what a View is made of; the record comes after it.
	afterMachines = Root + "machines0"
	record        = Root + "record/"
)

func wantedKey(app string) string          { return apps + app + "/wanted" }
func turnsPrefix(app string) string        { return apps + app + "/turns/" }
func turnKey(app, machine string) string   { return turnsPrefix(app) + machine }
func conductorPrefix(app string) string    { return apps + app + "/conductor" }
func leaseKey(machine string) string       { return machines + machine + "/lease" }
func reportKey(machine, app string) string { return machines + machine + "/apps/" + app }
func machinePrefix(machine string) string  { return machines + machine + "/" }
func deploysPrefix(app string) string      { return record + app + "/deploys/" }
func deployKey(app string, id int) string  { return fmt.Sprintf("%s%08d", deploysPrefix(app), id) }
func auditPrefix(app string) string        { return record + app + "/audit/" }
func auditKey(app string, id, n int) string {
	return fmt.Sprintf("%s%08d/%08d", auditPrefix(app), id, n)
}

var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$`)

// CheckWord says whether a text may be the name of an app, a machine or a label, or a version. It becomes part
// of keys, of paths and of command lines.
func CheckWord(what, text string) error {
	if !word.MatchString(text) {
		return fmt.Errorf("cannot use %q as %s: it begins with a letter or a digit, and has only letters, digits "+
			"and . _ + - (100 at most)", text, what)
	}
	return nil
}
