package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
)

// actionPatience is how long a master may take to accept, and an aborted roll to revert.
const actionPatience = time.Minute

// bodyPatience is how long a client may take to send a body.
const bodyPatience = 10 * time.Second

// wish is the body of an action.
type wish struct {
	Workers string `json:"workers"` // of scale: a number, +N, -N or auto
}

// act asks the master of an app for something.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	name, action := r.PathValue("name"), r.PathValue("action")
	if err := config.CheckName(name); err != nil {
		failed(w, control.WithExit(err, control.ExitUsage))
		return
	}
	var asked wish
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience)) // not for streams, which have no body
	body := http.MaxBytesReader(w, r.Body, 4<<10)
	if err := json.NewDecoder(body).Decode(&asked); err != nil && !errors.Is(err, io.EOF) {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("cannot read the request: %v; send {} or {\"workers\":\"+1\"}", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actionPatience)
	defer cancel()
	client, err := s.o.Connect(ctx, name)
	if err != nil {
		failed(w, err)
		return
	}
	said, err := perform(ctx, client, action, asked)
	if err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"done": name + ": " + said})
}

// perform returns what was begun, in words.
func perform(ctx context.Context, client *control.Client, action string, asked wish) (string, error) {
	switch action {
	case "roll":
		return "the roll has begun", client.ReloadNoWait(ctx, control.ReloadOptions{})
	case "rollback":
		return "the roll back has begun", client.RollbackNoWait(ctx, "")
	case "scale":
		return setWorkers(ctx, client, asked.Workers)
	case "stop":
		return "it stops", client.Stop(ctx, false)
	case "promote":
		_, err := client.Promote(ctx)
		return "the canary is promoted", err
	case "abort":
		_, err := client.Abort(ctx)
		return "the roll has ended", err
	}
	return "", &control.Error{Exit: control.ExitUsage,
		Message: fmt.Sprintf("cannot %s: there are roll, rollback, scale, stop, promote and abort", action)}
}

func setWorkers(ctx context.Context, client *control.Client, workers string) (string, error) {
	if workers == "" {
		return "", &control.Error{Message: `cannot scale: "workers" is missing; send a number, +N, -N or auto`,
			Exit: control.ExitUsage}
	}
	scaled, err := client.Scale(ctx, workers)
	return fmt.Sprintf("from %d to %d workers", scaled.From, scaled.To), err
}
