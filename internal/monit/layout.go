package monit

// The smallest terminal that everything fits in, and from which width the list stands beside
// the details.
const (
	minWidth, minHeight = 60, 20
	wide                = 90
)

// area is a rectangle of the screen.
type area struct{ x, y, w, h int }

func (a area) holds(x, y int) bool { return x >= a.x && x < a.x+a.w && y >= a.y && y < a.y+a.h }

// areas are the parts of the screen. The first line is the title, the last one asks and tells.
type areas struct {
	list                     area // with its header
	details                  area // all of these:
	head, sparks, table, log area // table and log with their header
}

// headRoom is how many lines the head may have, of those of the details.
func headRoom(height int) int { return max(2, height*2/5) }

func (m Model) areas() (a areas) {
	if m.width >= wide {
		w := min(max(40, m.width*36/100), 56)
		a.list = area{0, 1, w, m.height - 2}
		a.details = area{w + 3, 1, m.width - w - 3, m.height - 2}
	} else {
		h := min(len(m.shown())+1, max(5, m.height/4))
		a.list = area{0, 1, m.width, max(h, 2)}
		a.details = area{0, a.list.h + 2, m.width, m.height - a.list.h - 3}
	}
	d := a.details
	app := m.chosen()
	if app == nil {
		a.head = d
		return a
	}
	head := len(m.headLines(*app, d.w, headRoom(d.h)))
	sparks, rows := 0, 0
	if app.Status != nil {
		sparks, rows = sparkLines(d.w), len(app.Workers)+1
	}
	rest := d.h - head - sparks
	table := min(rows, rest-max(3, rest*2/5))
	a.head = area{d.x, d.y, d.w, head}
	a.sparks = area{d.x, d.y + head, d.w, sparks}
	a.table = area{d.x, d.y + head + sparks, d.w, table}
	a.log = area{d.x, d.y + head + sparks + table, d.w, rest - table}
	return a
}
