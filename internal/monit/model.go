package monit

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The times between two looks.
const (
	LookEvery   = 500 * time.Millisecond
	idleEvery   = time.Second     // after quietAfter looks that have shown no change
	hiddenEvery = 2 * time.Second // while the terminal does not have the focus
	quietAfter  = 20
)

// Model is what is shown, and what the user has chosen.
type Model struct {
	ctx     context.Context
	source  Source
	suspend func()
	zone    *time.Location

	width, height int
	theme         theme
	hidden        bool // the terminal does not have the focus

	frame   Frame
	looked  bool // there was a look
	looking bool // one is under way
	again   bool // another one has to follow at once, because another app was chosen
	turn    int  // number of looks; a tick of an earlier one is ignored
	quiet   int  // looks in a row that have shown no change
	failed  error

	app    string // the chosen one
	slot   int    // index of the chosen row of its table
	inside bool   // keys move through the slots instead of the apps
	sort   sorting
	filter string
	typing bool // the filter is being typed
	pane   pane
	held   []Line // what is shown while the log is frozen
	frozen bool
	back   int // lines that the frozen log is scrolled back

	help     bool
	question *Request // that waits for y or n
	asking   bool     // a request is under way
	message  string
	wrong    bool // the message is an error
}

type pane int

const (
	logPane pane = iota
	eventPane
)

// New returns a Model that chooses an app; empty: the first one.
func New(ctx context.Context, source Source, app string) Model {
	return Model{ctx: ctx, source: source, app: app, zone: time.Local, theme: themeFor(true), looking: true}
}

type (
	lookedMsg struct {
		frame Frame
		err   error
	}
	tickMsg struct{ turn int }
	doneMsg struct {
		text string
		err  error
	}
)

// Init asks for the background's color, and looks.
func (m Model) Init() tea.Cmd { return tea.Batch(tea.RequestBackgroundColor, m.look()) }

// look is a command; m.looking says that it runs.
func (m Model) look() tea.Cmd {
	return func() tea.Msg {
		frame, err := m.source.Look(m.ctx, m.app)
		return lookedMsg{frame, err}
	}
}

// Update returns the model after a message.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		m.theme = themeFor(msg.IsDark())
	case tea.BlurMsg:
		m.hidden = true
	case tea.FocusMsg:
		m.hidden = false
		return m.lookNow()
	case tickMsg:
		if msg.turn == m.turn {
			return m.lookNow()
		}
	case lookedMsg:
		return m.took(msg)
	case doneMsg:
		m.asking, m.wrong, m.message = false, msg.err != nil, msg.text
		if msg.err != nil {
			m.message, _, _ = strings.Cut(msg.err.Error(), "\n")
		}
		return m.lookNow()
	case tea.KeyPressMsg:
		return m.pressed(msg)
	case tea.MouseClickMsg:
		return m.clicked(msg)
	case tea.MouseWheelMsg:
		return m.wheeled(msg)
	}
	return m, nil
}

// lookNow looks at once, or after the look that is under way.
func (m Model) lookNow() (Model, tea.Cmd) {
	if m.looking {
		m.again = true
		return m, nil
	}
	m.looking, m.again = true, false
	return m, m.look()
}

// took shows what a look has found.
func (m Model) took(msg lookedMsg) (Model, tea.Cmd) {
	m.looking = false
	m.turn++
	if m.failed = msg.err; msg.err == nil {
		if sameShape(m.frame, msg.frame) {
			m.quiet++
		} else {
			m.quiet = 0
		}
		m.frame, m.looked = m.withVanished(msg.frame), true
		m.settle()
	}
	if m.again || m.looked && m.app != msg.frame.App && msg.err == nil && len(m.frame.Apps) > 0 {
		return m.lookNow()
	}
	turn := m.turn
	return m, tea.Tick(m.pause(), func(time.Time) tea.Msg { return tickMsg{turn} })
}

func (m Model) pause() time.Duration {
	switch {
	case m.hidden:
		return hiddenEvery
	case m.quiet >= quietAfter:
		return idleEvery
	}
	return LookEvery
}

// ask sends a request, beside everything else.
func (m Model) ask(r Request) (Model, tea.Cmd) {
	m.question, m.asking, m.wrong, m.message = nil, true, false, r.doing()
	return m, func() tea.Msg {
		text, err := m.source.Do(m.ctx, r)
		return doneMsg{text, err}
	}
}
