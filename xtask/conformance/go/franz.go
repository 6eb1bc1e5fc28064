package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go.
type franz struct {
	seeds  []string
	factor int16
	admin  *kadm.Client
	// members speak the consumer protocol
	serverSide bool
}

func newFranz(seeds []string, factor int16) (client, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return nil, err
	}
	return &franz{seeds: seeds, factor: factor, admin: kadm.NewClient(c)}, nil
}

func patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (f *franz) create(topic string, count int32, config map[string]string) error {
	ctx, cancel := patient()
	defer cancel()
	configs := map[string]*string{}
	for key, value := range config {
		configs[key] = &value
	}
	created, err := f.admin.CreateTopic(ctx, count, f.factor, configs, topic)
	return errors.Join(err, created.Err)
}

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (f *franz) produce(topic, codec string, records []record) error {
	ctx, cancel := patient()
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(f.seeds...),
		kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.ProducerBatchMaxBytes(20<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer c.Close()
	var sent []*kgo.Record
	for _, r := range records {
		out := &kgo.Record{Topic: topic, Partition: r.partition, Key: r.key, Value: r.value}
		for _, h := range r.headers {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.key, Value: []byte(h.value)})
		}
		if r.timeMs != 0 {
			out.Timestamp = time.UnixMilli(r.timeMs)
		}
		sent = append(sent, out)
	}
	return c.ProduceSync(ctx, sent...).FirstErr()
}

func (f *franz) consume(
	topic string, partition int32, count int, committed bool,
) ([]record, error) {
	ctx, cancel := patient()
	defer cancel()
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	c, err := kgo.NewClient(kgo.SeedBrokers(f.seeds...), kgo.FetchIsolationLevel(level),
		kgo.ConsumePartitions(start), kgo.FetchMaxPartitionBytes(20<<20))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var found []record
	for len(found) < count {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return found, fmt.Errorf("after %d records: %w", len(found), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			in := record{key: r.Key, value: r.Value, timeMs: r.Timestamp.UnixMilli()}
			for _, h := range r.Headers {
				in.headers = append(in.headers, header{h.Key, string(h.Value)})
			}
			found = append(found, in)
		})
	}
	return found, nil
}

type franzMember struct {
	client *kgo.Client
	stop   context.CancelFunc
	ended  chan struct{}
	mutex  sync.Mutex
	parts  map[int32]bool
	read   []string
}

func (f *franz) join(group, topic string) (member, error) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &franzMember{stop: cancel, ended: make(chan struct{}), parts: map[int32]bool{}}
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			for _, p := range changed[topic] {
				if m.parts[p] = has; !has {
					delete(m.parts, p)
				}
			}
		}
	}
	options := []kgo.Opt{kgo.SeedBrokers(f.seeds...), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(500 * time.Millisecond), kgo.SessionTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)),
		kgo.OnPartitionsLost(change(false))}
	if f.serverSide {
		options = append(options, kgo.ServerSideBalancer())
	}
	c, err := kgo.NewClient(options...)
	if err != nil {
		cancel()
		return nil, err
	}
	m.client = c
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				m.mutex.Lock()
				m.read = append(m.read, string(r.Value))
				m.mutex.Unlock()
			})
		}
	}()
	return m, nil
}

func (m *franzMember) assigned() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.parts)
}

func (m *franzMember) values() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string(nil), m.read...)
}

func (m *franzMember) leave() error {
	m.stop()
	<-m.ended
	ctx, cancel := patient()
	defer cancel()
	err := m.client.CommitUncommittedOffsets(ctx)
	m.client.Close()
	return err
}

func (f *franz) config(topic, key string) (string, error) {
	ctx, cancel := patient()
	defer cancel()
	described, err := f.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	resource, err := described.On(topic, nil)
	if err != nil {
		return "", err
	}
	for _, config := range resource.Configs {
		if config.Key == key {
			return config.MaybeValue(), resource.Err
		}
	}
	return "", fmt.Errorf("no config %s", key)
}

func (f *franz) alter(topic, key, value string) error {
	ctx, cancel := patient()
	defer cancel()
	change := kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value}
	answers, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) addPartitions(topic string, count int32) error {
	ctx, cancel := patient()
	defer cancel()
	answers, err := f.admin.UpdatePartitions(ctx, int(count), topic)
	return errors.Join(err, answers.Error())
}

func (f *franz) partitions(topic string) (int, error) {
	ctx, cancel := patient()
	defer cancel()
	found, err := f.admin.ListTopics(ctx, topic)
	return len(found[topic].Partitions), errors.Join(err, found.Error())
}

func (f *franz) deleteRecords(topic string, offset int64) error {
	ctx, cancel := patient()
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: offset})
	answers, err := f.admin.DeleteRecords(ctx, offsets)
	return errors.Join(err, answers.Error())
}

func (f *franz) remove(topic string) error {
	ctx, cancel := patient()
	defer cancel()
	answer, err := f.admin.DeleteTopic(ctx, topic)
	return errors.Join(err, answer.Err)
}

func (f *franz) topics() ([]string, error) {
	ctx, cancel := patient()
	defer cancel()
	found, err := f.admin.ListTopics(ctx)
	return found.Names(), err
}

type franzTransactional struct{ client *kgo.Client }

func (f *franz) transactional(id string) (transactional, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(f.seeds...), kgo.TransactionalID(id),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := patient()
	defer cancel()
	// asks the coordinator for an id, so that an older producer is fenced from here on
	_, _, err = c.ProducerID(ctx)
	return &franzTransactional{c}, err
}

func (t *franzTransactional) run(topic string, values []string, commit bool) error {
	ctx, cancel := patient()
	defer cancel()
	if err := t.client.BeginTransaction(); err != nil {
		return err
	}
	var sent []*kgo.Record
	for _, value := range values {
		sent = append(sent, &kgo.Record{Topic: topic, Value: []byte(value)})
	}
	err := t.client.ProduceSync(ctx, sent...).FirstErr()
	how := kgo.TransactionEndTry(commit && err == nil)
	return errors.Join(err, t.client.EndTransaction(ctx, how))
}

func (t *franzTransactional) close() { t.client.Close() }
