package cohort_test

import (
	"fmt"
	"log"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
)

// A canary of 5 % that is raised to 25 %: who was in it stays in it.
func Example() {
	layout, err := cohort.NewLayout([]cohort.Stage{
		{Name: "stable", Rest: true},
		{Name: "canary", Share: 0.05},
	})
	if err != nil {
		log.Fatal(err)
	}
	raised, err := layout.With(map[string]float64{"canary": 0.25})
	if err != nil {
		log.Fatal(err)
	}
	hasher := cohort.NewHasher("checkout-2026-11")
	for _, user := range []string{"user-1", "user-2", "user-4"} {
		p := hasher.Point(user)
		fmt.Printf("%s at %.3f: %s, then %s\n", user, p.Fraction(),
			layout.Stages()[layout.At(p)].Name, raised.Stages()[raised.At(p)].Name)
	}
	// Output:
	// user-1 at 0.097: stable, then canary
	// user-2 at 0.297: stable, then stable
	// user-4 at 0.044: canary, then canary
}

// A user without a key gets a random cohort, which a token keeps.
func ExampleSigner() {
	signer, err := cohort.NewSigner("checkout", []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	random := uint64(0x0c3b_58a1_99e0_7f42)
	cookie := signer.Seal(cohort.Point(random), now, now.Add(24*time.Hour))

	claim, err := signer.Open(cookie, now.Add(time.Hour))
	fmt.Printf("%.3f %v\n", claim.Point.Fraction(), err)
	_, err = signer.Open(cookie, now.Add(24*time.Hour))
	fmt.Println(err)
	// Output:
	// 0.048 <nil>
	// cohort token refused: expired
}
