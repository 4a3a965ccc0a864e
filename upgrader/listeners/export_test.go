package listeners

// WithoutSockDiag has a group believe that the kernel tells nothing of connections.
func WithoutSockDiag(g *Group) { g.noDiag.Store(true) }

// WithoutConfirmation has a group take its own word for where a new seat stands.
func WithoutConfirmation(g *Group) { g.blind = true }
