package logfile

import "strings"

// Joiner joins lines that were split because of their length. The zero value is ready.
type Joiner struct {
	begun map[pieceKey]*piece
}

type pieceKey struct {
	pid    int
	stream string
}

// piece is the received part of a line.
type piece struct {
	first Record
	text  strings.Builder
}

// maxJoined bounds a joined line; a longer one is returned in pieces.
const maxJoined = 1 << 20

// Join takes a record. It says whether the returned record is a whole line.
func (j *Joiner) Join(r Record) (Record, bool) {
	key := pieceKey{r.PID, r.Stream}
	known := j.begun[key]
	if known == nil && !r.More {
		return r, true
	}
	if known == nil {
		if j.begun == nil {
			j.begun = map[pieceKey]*piece{}
		}
		known = &piece{first: r}
		j.begun[key] = known
	}
	known.text.WriteString(r.Text)
	if r.More && known.text.Len() < maxJoined {
		return Record{}, false
	}
	delete(j.begun, key)
	whole := known.first
	whole.Text, whole.More = known.text.String(), r.More
	return whole, true
}

// Rest returns the lines that were begun and not ended.
func (j *Joiner) Rest() (all []Record) {
	for _, p := range j.begun {
		r := p.first
		r.Text = p.text.String()
		all = append(all, r)
	}
	j.begun = nil
	return all
}
