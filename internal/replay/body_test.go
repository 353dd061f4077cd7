package replay

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestBodiesAreReadAgain(t *testing.T) {
	const text = "0123456789"
	for _, read := range []int64{0, 4, 10} {
		b, first := NewBody(strings.NewReader(text), 10, nil)
		if _, err := io.CopyN(io.Discard, first, read); err != nil {
			t.Fatal(err)
		}
		first.Close()
		second, ok := b.Again()
		if !ok {
			t.Fatalf("after %d of 10 bytes it is spilt", read)
		}
		again, err := io.ReadAll(second)
		if string(again) != text || err != nil {
			t.Errorf("after %d bytes it is read again as %q, %v", read, again, err)
		}
		if n, err := first.Read(make([]byte, 1)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("who read it first gets %d, %v", n, err)
		}
	}
}

func TestLongBodiesAreNotKept(t *testing.T) {
	b, first := NewBody(strings.NewReader("0123456789"), 9, nil)
	got, err := io.ReadAll(first)
	if string(got) != "0123456789" || err != nil {
		t.Errorf("it is read as %q, %v", got, err)
	}
	if _, ok := b.Again(); ok || b.kept != nil {
		t.Error("it is kept")
	}
}

// A transport that waits for the client's next bytes does not take them along.
func TestABodyThatIsBeingRead(t *testing.T) {
	source, client := io.Pipe()
	b, first := NewBody(source, 4, nil)
	reading := make(chan error)
	go func() {
		p := make([]byte, 100)
		if _, err := io.ReadFull(first, p[:2]); err != nil {
			reading <- err
			return
		}
		reading <- nil
		_, err := first.Read(p) // waits
		reading <- err
	}()
	client.Write([]byte("01"))
	if err := <-reading; err != nil {
		t.Fatal(err)
	}
	second, ok := b.Again()
	if !ok {
		t.Fatal("after 2 of 4 bytes it is spilt")
	}
	go func() {
		client.Write([]byte("23456789")) // more than is kept, but nobody else will have it
		client.Close()
	}()
	again, err := io.ReadAll(second)
	if string(again) != "0123456789" || err != nil {
		t.Errorf("it is read again as %q, %v", again, err)
	}
	if err := <-reading; !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("who read it first gets %v", err)
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("hello"), uint8(3), uint8(2), uint8(5))
	f.Add([]byte{}, uint8(0), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, limit, step, reads uint8) {
		b, first := NewBody(bytes.NewReader(text), int64(limit), nil)
		var got []byte
		p := make([]byte, int(step)+1)
		for range reads {
			n, err := first.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.HasPrefix(text, got) {
			t.Fatalf("read %q of %q", got, text)
		}
		second, ok := b.Again()
		if ok != (len(got) <= int(limit)) {
			t.Fatalf("of %d bytes, at most %d kept, it can be read again: %v", len(got), limit, ok)
		}
		if !ok {
			return
		}
		if again, err := io.ReadAll(second); !bytes.Equal(again, text) || err != nil {
			t.Fatalf("read again: %q, %v, want %q", again, err, text)
		}
	})
}
