package metrics

// page collects the families of all apps, in the order in which they first come.
type page struct {
	families []Family
	at       map[string]int // index of a family by its name
	app      string         // whose samples are put
	expected int            // samples of each family that is new
}

func newPage() *page { return &page{at: map[string]int{}} }

// clear keeps the families, and the memory for their samples. Without samples they are not written.
func (p *page) clear() {
	for i := range p.families {
		p.families[i].lines = p.families[i].lines[:0]
	}
}

// put adds a sample of the app. Labels are names and values in turn.
func (p *page) put(k kind, name, help string, value float64, labels ...string) {
	p.putPart(k, name, help, "", value, labels...)
}

func (p *page) putPart(k kind, name, help, suffix string, value float64, labels ...string) {
	i, known := p.at[name]
	if !known {
		i = len(p.families)
		p.at[name] = i
		lines := make([]byte, 0, max(1, p.expected)*usualLine)
		p.families = append(p.families, Family{name: name, help: help, kind: k, lines: lines})
	}
	p.families[i].add(p.app, suffix, value, labels)
}

// usualLine is how long most lines are, in bytes.
const usualLine = 80

// flag is 1 for true.
func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
