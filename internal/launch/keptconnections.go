package launch

import (
	"os"
	"strings"
)

// Keeper keeps open files, so that the next master gets them if this one is killed.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
}

const connectionFile = "connection."

// OwnsFile says whether a kept file of this name was given to the Keeper by a Launcher.
func OwnsFile(name string) bool { return strings.HasPrefix(name, connectionFile) }

// MaxKept is how many connections a master leaves to the next one at the same time. If it is
// killed, the connections above this number are closed; in an upgrade a relay serves them.
const MaxKept = 512
