package listeners

// WithoutSockDiag has a group believe that the kernel tells nothing of connections.
func WithoutSockDiag(g *Group) { g.noDiag.Store(true) }
