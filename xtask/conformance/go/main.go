// Command conformance CLIENT BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, or 1 and
// what failed. The expectations are here; the other files do what they ask for.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	largeBytes = 4 << 20
	partitions = 10000
	patience   = 40 * time.Second
)

var errNotOffered = errors.New("the client has no such feature")

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

type header struct{ key, value string }

// record is a record as both clients have it; a nil slice is null.
type record struct {
	partition  int32
	key, value []byte
	headers    []header
	timeMs     int64
}

// client is what a library must do.
type client interface {
	create(topic string, count int32, config map[string]string) error
	produce(topic, codec string, records []record) error
	consume(topic string, partition int32, count int, committed bool) ([]record, error)
	join(group, topic string) (member, error)
	config(topic, key string) (string, error)
	alter(topic, key, value string) error
	addPartitions(topic string, count int32) error
	partitions(topic string) (int, error)
	deleteRecords(topic string, offset int64) error
	remove(topic string) error
	topics() ([]string, error)
	transactional(id string) (transactional, error)
}

// member of a group: how many partitions it has, and what it has read.
type member interface {
	assigned() int
	values() []string
	leave() error
}

type transactional interface {
	run(topic string, values []string, commit bool) error
	close()
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: conformance CLIENT BOOTSTRAP BROKERS FEATURE TOPIC")
		os.Exit(2)
	}
	name, bootstrap, feature, topic := os.Args[1], os.Args[2], os.Args[4], os.Args[5]
	done, err := "", error(nil)
	if feature == "version" {
		done = version(name)
	} else if done, err = check(name, bootstrap, os.Args[3], feature, topic); err == errNotOffered {
		os.Exit(3)
	} else if err != nil {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	fmt.Println(done)
}

func version(name string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == map[string]string{
			"franz": "github.com/twmb/franz-go", "sarama": "github.com/IBM/sarama",
			"kafka-go": "github.com/segmentio/kafka-go"}[name] {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "unknown"
}

func check(name, bootstrap, brokers, feature, topic string) (string, error) {
	count, err := strconv.Atoi(brokers)
	if err != nil {
		return "", err
	}
	factor := int16(min(count, 3))
	seeds := strings.Split(bootstrap, ",")
	var c client
	switch name {
	case "franz":
		c, err = newFranz(seeds, factor)
	case "sarama":
		c, err = newSarama(seeds, factor)
	default:
		c, err = newSegmentio(seeds, factor)
	}
	if err != nil {
		return "", err
	}
	features := map[string]func(client, string) (string, error){
		"codecs": checkCodecs, "records": checkRecords, "groups": checkGroups, "admin": checkAdmin,
		"large": checkLarge, "partitions": checkPartitions, "transactions": checkTransactions,
	}
	if f, is := c.(*franz); is && feature == "consumers" {
		f.serverSide = true
		return checkGroups(c, topic)
	}
	if features[feature] == nil {
		return "", errNotOffered
	}
	return features[feature](c, topic)
}

func equal(what string, found, expected any) error {
	if !reflect.DeepEqual(found, expected) {
		return fmt.Errorf("%s: %.300v, expected %.300v", what, found, expected)
	}
	return nil
}

// until asks until the answer is yes; clients learn of changes late.
func until(what string, ask func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ask() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within %s", what, patience)
}

func first(errs ...func() error) error {
	for _, step := range errs {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func values(records []record) []string {
	var list []string
	for _, r := range records {
		list = append(list, string(r.value))
	}
	return list
}

func plain(values ...string) []record {
	var list []record
	for _, value := range values {
		list = append(list, record{value: []byte(value)})
	}
	return list
}

func expectValues(c client, topic string, committed bool, expected ...string) error {
	found, err := c.consume(topic, 0, len(expected), committed)
	if err != nil {
		return err
	}
	return equal("values", values(found), expected)
}

func checkCodecs(c client, topic string) (string, error) {
	if err := c.create(topic, 1, nil); err != nil {
		return "", err
	}
	var expected []string
	for _, codec := range codecs {
		var sent []string
		for i := range 50 {
			sent = append(sent, fmt.Sprintf("%s-%d-%s", codec, i, strings.Repeat("x", 100)))
		}
		if err := c.produce(topic, codec, plain(sent...)); err != nil {
			return "", fmt.Errorf("%s: %w", codec, err)
		}
		expected = append(expected, sent...)
	}
	done := fmt.Sprintf("%d records, %d codecs", len(expected), len(codecs))
	return done, expectValues(c, topic, false, expected...)
}

func checkRecords(c client, topic string) (string, error) {
	sent := []record{
		{key: []byte("key"), value: []byte("value"), timeMs: 1_700_000_000_123,
			headers: []header{{"one", "1"}, {"two", ""}, {"one", "again"}}},
		{value: []byte("no key"), timeMs: 1_700_000_000_124},
		{key: []byte("tombstone"), timeMs: 1_600_000_000_000},
	}
	var found []record
	err := first(
		func() error { return c.create(topic, 1, nil) },
		func() error { return c.produce(topic, "none", sent) },
		func() (err error) { found, err = c.consume(topic, 0, len(sent), false); return },
		func() error { return equal("records", found, sent) },
	)
	return "keys, nulls, headers, timestamps", err
}

func checkGroups(c client, topic string) (string, error) {
	var one, two, three member
	group := "group-" + topic
	var sent []string
	for i := range 40 {
		sent = append(sent, fmt.Sprintf("v%02d", i))
	}
	all := func() bool {
		read := append(one.values(), two.values()...)
		sort.Strings(read)
		return reflect.DeepEqual(read, sent)
	}
	spread := plain(sent...)
	for i := range spread {
		spread[i].partition = int32(i % 4)
	}
	err := first(
		func() error { return c.create(topic, 4, nil) },
		func() (err error) { one, err = c.join(group, topic); return },
		func() error { return until("one member has all", func() bool { return one.assigned() == 4 }) },
		func() (err error) { two, err = c.join(group, topic); return },
		func() error {
			shared := func() bool { return one.assigned() == 2 && two.assigned() == 2 }
			return until("two members share", shared)
		},
		func() error { return c.produce(topic, "none", spread) },
		func() error { return until("both read everything", all) },
		func() error { return two.leave() },
		func() error { return until("the one left has all", func() bool { return one.assigned() == 4 }) },
		func() error { return one.leave() },
		func() error { return c.produce(topic, "none", plain("later")) },
		func() (err error) { three, err = c.join(group, topic); return },
		func() error {
			return until("the next member goes on", func() bool { return len(three.values()) > 0 })
		},
		func() error { return equal("what it reads", three.values(), []string{"later"}) },
		func() error { return three.leave() },
	)
	return "2 rebalances, hand-over, positions", err
}

func checkAdmin(c client, topic string) (string, error) {
	configured := func(expected string) func() bool {
		return func() bool {
			value, err := c.config(topic, "retention.ms")
			return err == nil && value == expected
		}
	}
	counted := func(expected int) func() bool {
		return func() bool { count, err := c.partitions(topic); return err == nil && count == expected }
	}
	done, left := "create, configs, partitions, records, delete", []string{"b"}
	err := first(
		func() error { return c.create(topic, 2, map[string]string{"retention.ms": "3600000"}) },
		func() error { return until("config", configured("3600000")) },
		func() error { return c.alter(topic, "retention.ms", "7200000") },
		func() error { return until("altered", configured("7200000")) },
		func() error { return c.addPartitions(topic, 5) },
		func() error { return until("more partitions", counted(5)) },
		func() error { return c.produce(topic, "none", plain("a", "b")) },
		func() error {
			err := c.deleteRecords(topic, 1)
			if err == errNotOffered {
				done, left, err = "create, configs, partitions, delete", []string{"a", "b"}, nil
			}
			return err
		},
		func() error { return expectValues(c, topic, false, left...) },
		func() error { return removed(c, topic) },
	)
	return done, err
}

func removed(c client, topic string) error {
	if err := c.remove(topic); err != nil {
		return err
	}
	return until("deleted", func() bool {
		names, err := c.topics()
		for _, name := range names {
			if name == topic {
				return false
			}
		}
		return err == nil
	})
}

func checkLarge(c client, topic string) (string, error) {
	value := bytes.Repeat([]byte("0123456789abcdef"), largeBytes/16)
	var found []record
	config := map[string]string{"max.message.bytes": strconv.Itoa(2 * largeBytes)}
	err := first(
		func() error { return c.create(topic, 1, config) },
		func() error { return c.produce(topic, "none", []record{{value: value}}) },
		func() (err error) { found, err = c.consume(topic, 0, 1, false); return },
		func() error { return equal("same value", bytes.Equal(found[0].value, value), true) },
	)
	return fmt.Sprintf("%d MiB", largeBytes>>20), err
}

func checkPartitions(c client, topic string) (string, error) {
	err := first(
		func() error { return c.create(topic, partitions, nil) },
		func() error {
			return until("all partitions", func() bool {
				count, err := c.partitions(topic)
				return err == nil && count == partitions
			})
		},
	)
	var sent []record
	for p := int32(0); p < partitions; p += 500 {
		sent = append(sent, record{partition: p, value: fmt.Appendf(nil, "to %d", p)})
	}
	if err == nil {
		err = c.produce(topic, "none", sent)
	}
	for _, r := range sent {
		if err == nil {
			var found []record
			found, err = c.consume(topic, r.partition, 1, false)
			if err == nil {
				err = equal("values", values(found), []string{string(r.value)})
			}
		}
	}
	if err == nil {
		err = removed(c, topic)
	}
	return fmt.Sprintf("%d partitions", partitions), err
}

func checkTransactions(c client, topic string) (string, error) {
	var one, two transactional
	id := "tx-" + topic
	err := first(
		func() error { return c.create(topic, 1, nil) },
		func() (err error) { one, err = c.transactional(id); return },
		func() error { return one.run(topic, []string{"a", "b"}, true) },
		func() error { return one.run(topic, []string{"x", "y"}, false) },
		func() error { return one.run(topic, []string{"c"}, true) },
		func() error { return expectValues(c, topic, true, "a", "b", "c") },
		func() (err error) { two, err = c.transactional(id); return },
		func() error { return two.run(topic, []string{"d"}, true) },
		func() error {
			if one.run(topic, []string{"zombie"}, true) == nil {
				return fmt.Errorf("the older producer was not fenced")
			}
			return nil
		},
		func() error { return expectValues(c, topic, true, "a", "b", "c", "d") },
	)
	if err == nil {
		two.close()
	}
	return "commit, abort, read_committed, fencing", err
}
