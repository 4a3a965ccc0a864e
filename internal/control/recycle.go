package control

import (
	"context"
	"net/http"
)

type recycleRequest struct {
	Slot *int `json:"slot"`
}

// Recycled is the answer of /v1/recycle: the worker that a new one replaces.
type Recycled struct {
	Slot   int    `json:"slot"`
	Worker string `json:"worker"`
}

// Recycle asks for the replacement of a slot's worker by a new one of its generation.
func (c *Client) Recycle(ctx context.Context, slot int) (r Recycled, err error) {
	return r, c.do(ctx, http.MethodPost, "recycle", recycleRequest{Slot: &slot}, &r)
}

func (s *Server) recycle(w http.ResponseWriter, r *http.Request) {
	var request recycleRequest
	if !s.read(w, r, &request) {
		return
	}
	if request.Slot == nil {
		answer(w, nil, &Error{Message: `cannot replace a worker: "slot" is missing`, Exit: ExitUsage})
		return
	}
	recycled, err := s.master.Recycle(*request.Slot)
	answer(w, recycled, err)
}
