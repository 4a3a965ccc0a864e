package procfs

import (
	"strconv"
	"strings"
)

// Mapping is a range of addresses.
type Mapping struct{ From, To uintptr }

// ProgramMappings returns where this process has its program's file mapped unchanged and read-only:
// code and constants. A part that was written to before it was made read-only is left out, because
// it differs from the file: the loader does that with the addresses of a position-independent
// program.
func ProgramMappings() []Mapping {
	program, err := Self.Program()
	if err != nil {
		return nil
	}
	text, _ := Self.read("smaps")
	return parseMappings(text, program)
}

// parseMappings finds a file in proc_pid_smaps(5): a line "from-to r-xp offset device inode file" for each
// mapping, and lines of what it consists of.
func parseMappings(text, file string) (all []Mapping) {
	var last *Mapping // until it is known whether it is unchanged
	// There are a thousand lines: most are not split, because that would leave 150 KB.
	for line := range strings.Lines(text) {
		if first, _, _ := strings.Cut(line, " "); !strings.HasSuffix(first, ":") {
			last = readOnly(line, file)
		} else if first == "Anonymous:" && last != nil && strings.HasSuffix(line, " 0 kB\n") {
			all = append(all, *last)
		}
	}
	return all
}

// readOnly reads the line of a mapping; nil: it is another file's, or may be written to.
func readOnly(line, file string) *Mapping {
	if !strings.HasSuffix(line, file+"\n") {
		return nil
	}
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
	if len(fields) < 6 || strings.TrimLeft(fields[5], " ") != file || strings.Contains(fields[1], "w") {
		return nil
	}
	from, to, _ := strings.Cut(fields[0], "-")
	begin, failed := strconv.ParseUint(from, 16, strconv.IntSize)
	end, alsoFailed := strconv.ParseUint(to, 16, strconv.IntSize)
	if failed != nil || alsoFailed != nil {
		return nil
	}
	return &Mapping{uintptr(begin), uintptr(end)}
}
