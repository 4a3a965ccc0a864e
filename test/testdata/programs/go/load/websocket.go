package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

type webSocket struct{ *websocket.Conn }

func dialWebSocket(ctx context.Context, address string) (connection, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/", nil)
	if err != nil {
		return nil, err
	}
	return webSocket{conn}, nil
}

// call sends a word and wants it back.
func (c webSocket) call(ctx context.Context) error { return c.ask(ctx, "word", "word") }

func (c webSocket) ask(ctx context.Context, word, want string) error {
	if err := c.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
		return err
	}
	return c.expect(ctx, want)
}

// expect reads one message.
func (c webSocket) expect(ctx context.Context, beginning string) error {
	_, data, err := c.Read(ctx)
	if err == nil && !strings.HasPrefix(string(data), beginning) {
		err = fmt.Errorf("got %q, want %q", data, beginning)
	}
	return err
}

func (c webSocket) close() { c.CloseNow() }

// socketIO speaks version 5 of its protocol over a WebSocket.
type socketIO struct{ webSocket }

func dialSocketIO(ctx context.Context, address string) (connection, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return nil, err
	}
	c := socketIO{webSocket{conn}}
	if err = c.expect(ctx, "0{"); err == nil {
		err = c.ask(ctx, "40", "40{")
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c socketIO) call(ctx context.Context) error {
	err := c.Write(ctx, websocket.MessageText, []byte(`42["echo","word"]`))
	for err == nil {
		var data []byte
		if _, data, err = c.Read(ctx); err == nil && string(data) == "2" { // it asks whether the client lives
			err = c.Write(ctx, websocket.MessageText, []byte("3"))
			continue
		}
		if err == nil && string(data) != `42["echo","word"]` {
			err = fmt.Errorf("got %q", data)
		}
		break
	}
	return err
}
