package procfs

import (
	"slices"
	"strconv"
	"strings"
)

// Mount is a line of proc_pid_mountinfo(5).
type Mount struct {
	Root         string // the directory of the file system that is mounted
	Point        string // where, as the process sees it
	Kind         string // of file system
	SuperOptions string // of the file system, with commas between them
}

// Mounts are those that a process sees.
func (p Process) Mounts() ([]Mount, error) {
	text, err := p.read("mountinfo")
	return parseMounts(text), err
}

// parseMounts reads "36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda rw": the
// optional fields before the dash vary in number.
func parseMounts(text string) (all []Mount) {
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(line, " - ")
		place, system := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(system) < 1 {
			continue
		}
		m := Mount{Root: unescape(place[3]), Point: unescape(place[4]), Kind: system[0]}
		if len(system) > 2 {
			m.SuperOptions = system[2]
		}
		all = append(all, m)
	}
	return all
}

// HasSuperOption says whether the file system has an option, or a v1 hierarchy a controller.
func (m Mount) HasSuperOption(option string) bool { return hasWord(m.SuperOptions, option) }

func hasWord(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }

// unescape reads the \040 that stands for a space, as it does for what would end a field.
func unescape(field string) string {
	if !strings.Contains(field, `\`) {
		return field
	}
	var text strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if b, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				text.WriteByte(byte(b))
				i += 3
				continue
			}
		}
		text.WriteByte(field[i])
	}
	return text.String()
}
