package consumer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// jobOf makes a job of a word as key/entry, or entry for one without a key.
func jobOf(word string) *job {
	j := &job{fields: map[string]string{}}
	key, entry, hasKey := strings.Cut(word, "/")
	if hasKey {
		j.fields["key"] = key
	} else {
		entry = key
	}
	j.id, j.state.Entry = entry, entry
	return j
}

// begun begins all that may, and returns their entries.
func begun(q *queues) (jobs []*job, entries string) {
	var text []string
	for j := q.ready(); j != nil; j = q.ready() {
		q.begin(j)
		jobs = append(jobs, j)
		text = append(text, j.id)
	}
	return jobs, strings.Join(text, " ")
}

func TestQueuesHaveOneOfAKeyAtATime(t *testing.T) {
	q := newQueues()
	for _, word := range []string{"a/1-0", "2-0", "a/3-0", "b/4-0", "2-1", "/5-0", "a/10-0", "a/9-0", "/6-0"} {
		q.add(jobOf(word))
	}
	jobs, entries := begun(&q)
	if want := "1-0 2-0 4-0 2-1 5-0"; entries != want {
		t.Errorf("began %s, want %s", entries, want)
	}
	q.end(jobs[0])
	if jobs, entries = begun(&q); entries != "3-0" {
		t.Errorf("then %s, want the next of the key", entries)
	}
	q.end(jobs[0])
	var followers []string
	for _, j := range q.followers(jobs[0]) {
		followers = append(followers, j.id)
	}
	if got := strings.Join(followers, " "); got != "9-0 10-0" {
		t.Errorf("the followers are %s", got)
	}
	if _, entries = begun(&q); entries != "" || q.running+q.queued != 5-1+1 {
		t.Errorf("then %s began, and %d are left", entries, q.running+q.queued)
	}
}

// Whatever happens, of each key one job has begun at most, in order, and none is forgotten.
func TestQueuesAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		q := newQueues()
		var running []*job
		last, busy := make(map[string]int), make(map[string]bool)
		added, ended := 0, 0
		for step := 0; step < 300 || q.running+q.queued > 0; step++ {
			switch {
			case step < 300 && random.IntN(2) == 0:
				added++
				q.add(jobOf(fmt.Sprintf("k%d/%d-0", random.IntN(5), added)))
			case random.IntN(2) == 0:
				j := q.ready()
				if j == nil {
					continue
				}
				key, n := j.fields["key"], 0
				if _, err := fmt.Sscanf(j.id, "%d-0", &n); err != nil {
					t.Fatal(err)
				}
				if busy[key] || n <= last[key] {
					t.Fatalf("seed %d: %d of %s begins, busy %v, last %d", seed, n, key, busy[key], last[key])
				}
				busy[key], last[key] = true, n
				q.begin(j)
				running = append(running, j)
			case len(running) > 0:
				i := random.IntN(len(running))
				j := running[i]
				running = append(running[:i], running[i+1:]...)
				busy[j.fields["key"]] = false
				q.end(j)
				ended++
				if random.IntN(4) == 0 {
					ended += len(q.followers(j))
				}
			}
		}
		if added != ended || len(q.byKey) != 0 || len(q.waiting) != 0 {
			t.Fatalf("seed %d: %d of %d ended, %d keys are left", seed, ended, added, len(q.byKey))
		}
	}
}

func TestBefore(t *testing.T) {
	ordered := []string{"0-0", "0-9", "0-10", "9-0", "10-0", "10-18446744073709551615", "1764119999999-0"}
	for i, a := range ordered {
		for k, b := range ordered {
			if got := before(a, b); got != (i < k) {
				t.Errorf("%s before %s: %v", a, b, got)
			}
		}
	}
}
