// Package contractdiff compares governance/contract with two other implementations: kin-openapi's filter and
// libopenapi-validator. It has tests only.
//
// Requests and responses are made from the documents in the shared openapi folder, by their examples and schemas, and
// then spoilt one way at a time (corpus). All three judge each of them, and every disagreement must have a cause in the
// tables of causes, with the rule of a specification that says why this project is right. What no cause explains fails,
// and so does a cause that nothing needs any more: a newer release may have mended it. Besides, weir must find the same
// with its programs (contract/onepass) and without.
//
//   - exchange_test.go: requests and responses; document_test.go: a document in all three;
//   - weir_test.go, kin_test.go, pb33f_test.go: the three judges;
//   - values_test.go, pattern_test.go: values of a schema; spoil_test.go: the same, spoilt; style_test.go: parameters;
//     corpus_test.go and corpus_body_test.go: messages; shops_test.go: documents with what the shared ones do not use;
//   - causes_test.go and its neighbours: why they disagree; compare_test.go: the comparison; fuzz_test.go looks for more;
//   - bench_test.go: how much faster bodies of these documents are judged than by kin-openapi's filter;
//   - defects_test.go: what was found wrong in kin-openapi by reading it, beside what weir does.
//
// WEIR_SOAK=1 go test -run Soak compares a corpus many times as large.
package contractdiff
