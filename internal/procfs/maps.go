package procfs

import (
	"os"
	"strconv"
	"strings"
)

// Mapping is a range of addresses.
type Mapping struct{ From, To uintptr }

// ProgramMappings are where this process has its program's file and may not write: code and constants.
func ProgramMappings() []Mapping {
	program, err := os.Readlink(string(Self) + "/exe")
	if err != nil {
		return nil
	}
	text, _ := Self.read("maps")
	return parseMappings(text, program)
}

// parseMappings finds the lines of proc_pid_maps(5) about a file, "from-to r-xp offset device inode file".
func parseMappings(text, file string) (all []Mapping) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
		if len(fields) < 6 || strings.TrimLeft(fields[5], " ") != file || strings.Contains(fields[1], "w") {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		begin, failed := strconv.ParseUint(from, 16, strconv.IntSize)
		end, alsoFailed := strconv.ParseUint(to, 16, strconv.IntSize)
		if failed == nil && alsoFailed == nil {
			all = append(all, Mapping{uintptr(begin), uintptr(end)})
		}
	}
	return all
}
