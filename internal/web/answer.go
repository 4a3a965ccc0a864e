package web

import (
	"encoding/json"
	"net/http"

	"relevo/internal/control"
)

// refuse answers with an error as the control socket does.
func refuse(w http.ResponseWriter, code int, message string) {
	answer(w, code, map[string]string{"error": message})
}

func answer(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"error":"internal error: an answer is no JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(text, '\n'))
}

// failed answers with an error of a master.
func failed(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch control.ExitCode(err) {
	case control.ExitUsage:
		code = http.StatusBadRequest
	case control.ExitNotRunning:
		code = http.StatusNotFound
	case control.ExitNotPermitted:
		code = http.StatusForbidden
	case control.ExitBusy:
		code = http.StatusServiceUnavailable
	case control.ExitConfig, control.ExitRollFailed:
		code = http.StatusUnprocessableEntity
	}
	refuse(w, code, err.Error())
}
