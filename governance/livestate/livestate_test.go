package livestate

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

type view string

func (v view) Snapshot() any { return string(v) }

func claim(name, configuration, settings string) Claim {
	return Claim{
		Key:           Key{Kind: "pools", Name: name},
		Configuration: configuration,
		Settings:      settings,
		Place:         "site " + configuration + settings,
	}
}

func acquire(t *testing.T, r *Registry, c Claim, made *int) (*int, *Handle) {
	t.Helper()
	state, handle, err := Acquire(r, c, func() (*int, error) { *made++; return new(int), nil })
	if err != nil {
		t.Fatal(err)
	}
	handle.Show(view(c.Configuration.(string) + c.Settings))
	return state, handle
}

// A reload: the new configuration acquires before the old one releases.
func TestStateOutlivesAConfiguration(t *testing.T) {
	r, made := new(Registry), 0
	state, old := acquire(t, r, claim("shop", "old", "1"), &made)
	*state = 7
	again, next := acquire(t, r, claim("shop", "new", "2"), &made)
	old.Release()
	old.Release() // a second release must not drop the other's hold
	if *again != 7 || made != 1 {
		t.Errorf("state is %d, made %d times", *again, made)
	}
	if held, err := r.Get(Key{"pools", "shop"}); err != nil || held.View.Snapshot() != "new2" {
		t.Errorf("view is %v, %v", held.View, err)
	}
	next.Release()
	if _, err := r.Get(Key{"pools", "shop"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v, want ErrNotFound", err)
	}
	if fresh, _ := acquire(t, r, claim("shop", "later", "1"), &made); *fresh != 0 || made != 2 {
		t.Errorf("a state that nobody held is still there: %d", *fresh)
	}
}

// While a configuration loads, what runs is shown and commanded, and it still is
// when the load fails.
func TestViewDuringAReload(t *testing.T) {
	r, made := new(Registry), 0
	acquire(t, r, claim("shop", "old", "1"), &made)
	_, loading := acquire(t, r, claim("shop", "new", "2"), &made)
	want := func() {
		t.Helper()
		if held, err := r.Get(Key{"pools", "shop"}); err != nil || held.View.Snapshot() != "old1" {
			t.Errorf("view is %v, %v", held.View, err)
		}
	}
	want()
	loading.Release()
	want()
}

// A holder that is not ready is not met by anyone.
func TestNothingIsShownBeforeItIsReady(t *testing.T) {
	r := new(Registry)
	_, handle, err := Acquire(r, claim("shop", "c", "1"), func() (int, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(Key{"pools", "shop"}); !errors.Is(err, ErrNotFound) || len(r.List()) != 0 {
		t.Errorf("a state is shown without a view: %v", err)
	}
	handle.Show(view("ready"))
	if held, err := r.Get(Key{"pools", "shop"}); err != nil || held.View.Snapshot() != "ready" || len(r.List()) != 1 {
		t.Errorf("view is %v, %v", held.View, err)
	}
}

func TestSameNameInOneConfiguration(t *testing.T) {
	r, made := new(Registry), 0
	a, _ := acquire(t, r, claim("shop", "c", "1"), &made)
	b, _ := acquire(t, r, claim("shop", "c", "1"), &made)
	if a != b {
		t.Error("two holders with the same settings have two states")
	}
	_, _, err := Acquire(r, claim("shop", "c", "2"), func() (*int, error) { return new(int), nil })
	if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "site c1") || !strings.Contains(err.Error(), "site c2") {
		t.Errorf("error is %v, want a conflict that names both", err)
	}
	if _, _, err := Acquire(r, claim("shop", "c", "1"), func() (*string, error) { return new(string), nil }); err == nil {
		t.Error("a state of another type was given out")
	}
}

func TestFailedCreation(t *testing.T) {
	r, broken := new(Registry), errors.New("broken")
	_, handle, err := Acquire(r, claim("shop", "c", "1"), func() (*int, error) { return nil, broken })
	if !errors.Is(err, broken) || len(r.List()) != 0 {
		t.Errorf("error is %v, %d states", err, len(r.List()))
	}
	handle.Release() // nil, as after any failed Acquire
}

func TestListIsOrdered(t *testing.T) {
	r, made := new(Registry), 0
	for _, name := range []string{"b", "c", "a"} {
		acquire(t, r, claim(name, "c", ""), &made)
		other := claim(name, "c", "")
		other.Kind = "breakers"
		acquire(t, r, other, &made)
	}
	var got []string
	for _, held := range r.List() {
		got = append(got, held.Kind+"/"+held.Name)
	}
	if want := "breakers/a breakers/b breakers/c pools/a pools/b pools/c"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestConcurrentReloads(t *testing.T) {
	r := new(Registry)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for range 500 {
				_, handle, err := Acquire(r, claim("shop", string(rune('a'+n)), ""), func() (*int, error) { return new(int), nil })
				if err != nil {
					t.Error(err)
					return
				}
				handle.Show(view("v"))
				r.List()
				handle.Release()
			}
		})
	}
	wg.Wait()
	if len(r.List()) != 0 {
		t.Error("states are left")
	}
}

// leading is a view that counts how often it was told that it leads.
type leading struct{ told int }

func (*leading) Snapshot() any { return nil }
func (l *leading) Lead()       { l.told++ }

func TestTheOldestHolderLeads(t *testing.T) {
	var r Registry
	acquire := func(configuration int) *Handle {
		t.Helper()
		_, h, err := Acquire(&r, Claim{Key: Key{"kind", "name"}, Configuration: configuration}, func() (int, error) { return 1, nil })
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	var old, failed, next leading
	a := acquire(1)
	a.Show(&old)
	if old.told != 1 {
		t.Errorf("the first holder was told %d times that it leads, want once", old.told)
	}
	b := acquire(2)
	b.Show(&failed)
	b.Release()
	c := acquire(3)
	c.Show(&next)
	if failed.told+next.told != 0 {
		t.Errorf("told that they lead beside an older holder: %d and %d times", failed.told, next.told)
	}
	a.Release()
	a.Release()
	c.Show(&next)
	if old.told != 1 || failed.told != 0 || next.told != 1 {
		t.Errorf("after the old one is gone %d, %d and %d were told, want 1, 0 and 1", old.told, failed.told, next.told)
	}
}

// All that a configuration has of a name lead together.
func TestHoldersOfOneConfigurationLeadTogether(t *testing.T) {
	var r Registry
	show := func(configuration int, l *leading) *Handle {
		t.Helper()
		_, h, err := Acquire(&r, Claim{Key: Key{"kind", "name"}, Configuration: configuration}, func() (int, error) { return 1, nil })
		if err != nil {
			t.Fatal(err)
		}
		h.Show(l)
		return h
	}
	var l [5]leading
	a, b := show(1, &l[0]), show(1, &l[1])
	show(2, &l[2])
	show(2, &l[3])
	want := func(when string, told ...int) {
		t.Helper()
		for i, n := range told {
			if l[i].told != n {
				t.Errorf("%s view %d was told %d times that it leads, want %d", when, i, l[i].told, n)
			}
		}
	}
	want("at first", 1, 1, 0, 0)
	a.Release()
	want("while one is left", 1, 1, 0, 0)
	b.Release()
	want("after the old ones are gone", 1, 1, 1, 1)
	show(2, &l[4])
	want("and a late one", 1, 1, 1, 1, 1)
}

// A holder that is not able to answer yet does not lead, nor keeps others from it.
func TestWhoIsNotShownDoesNotLead(t *testing.T) {
	var r Registry
	claim := Claim{Key: Key{"kind", "name"}}
	create := func() (int, error) { return 1, nil }
	_, silent, _ := Acquire(&r, claim, create)
	_, shown, _ := Acquire(&r, claim, create)
	var l leading
	shown.Show(&l)
	silent.Release()
	if l.told != 1 {
		t.Errorf("told %d times, want once", l.told)
	}
}
