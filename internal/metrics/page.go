package metrics

// page collects the families of all apps, in the order in which they first come.
type page struct {
	families []Family
	at       map[string]int // index of a family by its name
	app      string         // whose samples are put
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
		p.families = append(p.families, Family{name: name, help: help, kind: k})
	}
	s := sample{suffix: suffix, labels: make([]label, 1, 1+len(labels)/2), value: value}
	s.labels[0] = label{"app", p.app}
	for l := 0; l+1 < len(labels); l += 2 {
		s.labels = append(s.labels, label{labels[l], labels[l+1]})
	}
	p.families[i].samples = append(p.families[i].samples, s)
}

// flag is 1 for true.
func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
