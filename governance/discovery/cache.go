package discovery

// cache.go keeps the set on disk for the next start.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

const (
	cacheEvery = 10 * time.Second // at most, so that a set that changes all the time does not wear the disk
	mostCache  = 64 << 20         // bytes; many times what ten thousand instances need
)

// cache is the file and what is known to be in it.
type cache struct {
	file   string // empty if there is none
	source string
	maxAge time.Duration

	members   []lease.Instance // to be written, or written
	confirmed time.Time        // when the source last said so
	pending   bool             // that is not in the file
	tried     time.Time        // when it was last written, or could not be
	written   time.Time        // confirmed of what is in the file
}

// content of the file.
type content struct {
	Source      string            `json:"source"`
	ConfirmedAt time.Time         `json:"confirmed_at"`
	Instances   []json.RawMessage `json:"instances"`
}

// read returns the instances in the file and when they were confirmed. There being no
// file is no error.
func (c *cache) read(now time.Time) ([]lease.Instance, time.Time, error) {
	if c.file == "" {
		return nil, time.Time{}, nil
	}
	f, err := os.Open(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	} else if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	var in content
	if err := json.NewDecoder(io.LimitReader(f, mostCache)).Decode(&in); err != nil {
		return nil, time.Time{}, fmt.Errorf("cache file %s is not readable: %w", c.file, err)
	}
	if in.Source != c.source {
		return nil, time.Time{}, fmt.Errorf("cache file %s is of another source: %.200q", c.file, in.Source)
	}
	// one from the future is of a clock that was wrong: it is as old as it is ahead
	if age := now.Sub(in.ConfirmedAt).Abs(); age > c.maxAge {
		return nil, time.Time{}, fmt.Errorf("cache file %s is too old: %s", c.file, age.Round(time.Second))
	}
	var instances []lease.Instance
	for _, value := range in.Instances {
		if i, err := lease.Decode(value); err == nil {
			instances = append(instances, i)
		}
	}
	return instances, in.ConfirmedAt, nil
}

// note takes over what the source says.
func (c *cache) note(members []lease.Instance, now time.Time) {
	if c.file == "" {
		return
	}
	members = slices.Clone(members)
	for i := range members {
		members[i].Load = 0 // says nothing at the next start, and changes all the time
	}
	same := (&Set{Instances: members}).same(&Set{Instances: c.members})
	// the age is counted from the time in the file, so that must not get old
	c.pending = c.pending || !same || c.written.IsZero() || now.Sub(c.written) > c.maxAge/24
	c.members, c.confirmed = members, now
}

// due is when to write; zero is never.
func (c *cache) due() time.Time {
	if !c.pending {
		return time.Time{}
	}
	return c.tried.Add(cacheEvery)
}

// write writes what is pending.
func (c *cache) write(now time.Time) error {
	c.tried = now
	out := content{Source: c.source, ConfirmedAt: c.confirmed.UTC()}
	for _, i := range c.members {
		value, err := json.Marshal(i)
		if err != nil {
			return err
		}
		out.Instances = append(out.Instances, value)
	}
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if err := replace(c.file, data); err != nil {
		return fmt.Errorf("writing the cache file: %w", err)
	}
	c.pending, c.written = false, c.confirmed
	return nil
}

// replace puts data in the place of a file: whoever reads it, also after a crash, finds
// all of the old or all of the new.
func replace(file string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.tmp") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	return err
}
