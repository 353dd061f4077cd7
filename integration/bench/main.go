// Command bench compares weir with plain Caddy as a reverse proxy in front of
// three back ends, side by side in one run:
//
//	go run ./integration/bench
//	go run ./integration/bench -rounds 10 -variants all -profile profiles
//
// Load generator, proxy and back ends share one machine, so requests per second
// and latencies mostly show how they were scheduled. What compares is the CPU time
// that the proxy's process spends on a request, as a ratio to plain Caddy's for the same
// request in the same round: noise that lasts longer than a round is in both. Each round measures
// every variant once, in a new process, and begins with another variant than the
// last one.
//
// How much is allocated for a request hardly depends on the machine, so those
// columns show a change of the code also where the CPU time is noise.
//
// It needs Linux, whose procfs tells a process the CPU time it used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	// warmUp lets connections, heap and garbage collector settle before counting.
	warmUp = 1500 * time.Millisecond
	// profiled is how long a CPU profile takes: at 100 samples a second of CPU
	// time, a few thousand samples.
	profiled = 30 * time.Second
	// buildLimit bounds building both binaries from nothing, overhead what a
	// measurement takes besides warming up and measuring.
	buildLimit = 15 * time.Minute
	overhead   = 45 * time.Second
)

// plan is what the command line asks for.
type plan struct {
	rounds      int
	window      time.Duration
	connections int
	variants    []variant
	profiles    string
	pin         string
}

func main() {
	// The proxy ends with the thread that started it (see endWithParent). This one
	// stays as long as the process.
	runtime.LockOSThread()
	if len(os.Args) == 2 && os.Args[1] == backendsArgument {
		exit(serveBackends())
	}
	var p plan
	flag.IntVar(&p.rounds, "rounds", 5, "how often each variant is measured")
	seconds := flag.Float64("seconds", 5, "how long each measurement takes")
	flag.IntVar(&p.connections, "connections", 64, "keep-alive connections of the load generator")
	names := flag.String("variants", "", "comma-separated variants, empty for all; what they compare with is always among them\n"+describeVariants())
	flag.StringVar(&p.profiles, "profile", "", "`directory` for CPU profiles of each variant, taken after the rounds")
	flag.StringVar(&p.pin, "pin", "", "the `processors` that the proxy runs on, by taskset; keep the load generator off\nthem for steadier figures: taskset -c 1 go run ./integration/bench -pin 0")
	flag.Parse()
	p.window = time.Duration(*seconds * float64(time.Second))
	var err error
	switch p.variants, err = chooseVariants(*names); {
	case err != nil:
	case flag.NArg() > 0:
		err = fmt.Errorf("unknown argument %q", flag.Arg(0))
	case p.rounds < 1 || p.window < 100*time.Millisecond || p.connections < 1:
		err = errors.New("at least one round, a tenth of a second and one connection are needed")
	}
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = p.run(ctx)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is a plan that is carried out.
type bench struct {
	plan
	dir      string
	binaries map[bool]string // by whether it has weir
	backends []string
	contract string // file of the document
}

// run builds, measures and prints. Whatever it started has ended when it returns.
func (p *plan) run(ctx context.Context) (err error) {
	limit := buildLimit + time.Duration(p.rounds*len(p.variants))*(warmUp+p.window+overhead)
	if p.profiles != "" {
		limit += time.Duration(len(p.variants)) * (warmUp + profiled + overhead)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	b := &bench{plan: *p}
	if b.dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.contract, err = writeContract(b.dir); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "building plain Caddy and weir")
	if b.binaries, err = build(ctx, b.dir); err != nil {
		return err
	}
	addresses, stop, err := startBackends()
	if err != nil {
		return err
	}
	defer stop()
	b.backends = addresses

	all, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d rounds of %s, %d connections, %d CPUs, %s\n\n",
		p.rounds, p.window, p.connections, runtime.NumCPU(), runtime.Version())
	printTable(os.Stdout, p.variants, all)
	if p.profiles != "" {
		return b.profileAll(ctx)
	}
	return nil
}

func (b *bench) measureAll(ctx context.Context) (rounds, error) {
	all := make(rounds)
	for round := range b.rounds {
		for i := range b.variants {
			v := b.variants[(round+i)%len(b.variants)]
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, b.rounds, v.name)
			err := b.underLoad(ctx, v, func(p *proxy, l *load) error {
				r, err := measure(ctx, p, l, b.window)
				all[v.name] = append(all[v.name], r)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	return all, nil
}

// profileAll takes a CPU profile of each variant. That is no part of the rounds,
// because profiling costs CPU time itself.
func (b *bench) profileAll(ctx context.Context) error {
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return err
	}
	for _, v := range b.variants {
		file := filepath.Join(b.profiles, v.name+".pprof")
		err := b.underLoad(ctx, v, func(p *proxy, _ *load) error { return p.saveProfile(ctx, profiled, file) })
		if err != nil {
			return fmt.Errorf("profiling %s: %w", v.name, err)
		}
		fmt.Println(file)
	}
	return nil
}

// underLoad runs a variant in a process of its own and calls do once it is warm.
func (b *bench) underLoad(ctx context.Context, v variant, do func(*proxy, *load) error) error {
	p, err := b.start(ctx, v)
	if err != nil {
		return err
	}
	defer p.stop()
	l, err := newLoad(ctx, p.address, v.request(p.address), b.connections, warmUp+max(b.window, profiled)+overhead)
	if err != nil {
		return err
	}
	defer l.stop()
	if err := l.wait(warmUp); err != nil {
		return err
	}
	if err := do(p, l); err != nil {
		return p.failed(ctx, err)
	}
	return nil
}

// measure measures p over a window and ends the load.
func measure(ctx context.Context, p *proxy, l *load, window time.Duration) (result, error) {
	before, err := p.usage(ctx)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	l.recording.Store(true)
	if err := l.wait(window); err != nil {
		return result{}, err
	}
	l.recording.Store(false)
	took := time.Since(begin)
	after, err := p.usage(ctx)
	if err != nil {
		return result{}, err
	}
	l.stop()
	latencies, failed := l.recorded()
	if len(latencies) == 0 {
		return result{}, errors.New("no request was answered")
	}
	return newResult(latencies, failed, took, before, after), nil
}
