package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// ibm is IBM's sarama.
type ibm struct {
	seeds  []string
	factor int16
	client sarama.Client
	admin  sarama.ClusterAdmin
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_9_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.MaxMessageBytes = 20 << 20
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Fetch.Default = 20 << 20
	config.Consumer.Return.Errors = false
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func newSarama(seeds []string, factor int16) (client, error) {
	c, err := sarama.NewClient(seeds, saramaConfig())
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(c)
	return &ibm{seeds, factor, c, admin}, err
}

func (s *ibm) create(topic string, count int32, config map[string]string) error {
	entries := map[string]*string{}
	for key, value := range config {
		entries[key] = &value
	}
	detail := &sarama.TopicDetail{
		NumPartitions: count, ReplicationFactor: s.factor, ConfigEntries: entries}
	return s.admin.CreateTopic(topic, detail, false)
}

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4,
	"zstd": sarama.CompressionZSTD,
}

func bytesOf(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

func message(topic string, r record) *sarama.ProducerMessage {
	out := &sarama.ProducerMessage{
		Topic: topic, Partition: r.partition, Key: bytesOf(r.key), Value: bytesOf(r.value)}
	for _, h := range r.headers {
		header := sarama.RecordHeader{Key: []byte(h.key), Value: []byte(h.value)}
		out.Headers = append(out.Headers, header)
	}
	if r.timeMs != 0 {
		out.Timestamp = time.UnixMilli(r.timeMs)
	}
	return out
}

func (s *ibm) produce(topic, codec string, records []record) error {
	config := saramaConfig()
	config.Producer.Compression = saramaCodecs[codec]
	producer, err := sarama.NewSyncProducer(s.seeds, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var sent []*sarama.ProducerMessage
	for _, r := range records {
		sent = append(sent, message(topic, r))
	}
	return producer.SendMessages(sent)
}

func (s *ibm) consume(topic string, partition int32, count int, committed bool) ([]record, error) {
	config := saramaConfig()
	if committed {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer(s.seeds, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var found []record
	end := time.After(patience)
	for len(found) < count {
		select {
		case m := <-reader.Messages():
			in := record{key: m.Key, value: m.Value, timeMs: m.Timestamp.UnixMilli()}
			for _, h := range m.Headers {
				in.headers = append(in.headers, header{string(h.Key), string(h.Value)})
			}
			found = append(found, in)
		case <-end:
			return found, fmt.Errorf("%d of %d records within %s", len(found), count, patience)
		}
	}
	return found, nil
}

type saramaMember struct {
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	ended chan struct{}
	mutex sync.Mutex
	parts int
	read  []string
}

func (s *ibm) join(group, topic string) (member, error) {
	g, err := sarama.NewConsumerGroup(s.seeds, group, saramaConfig())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{group: g, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, m); err != nil {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	return m, nil
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.parts = 0
	for _, claimed := range session.Claims() {
		m.parts += len(claimed)
	}
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *saramaMember) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.mutex.Lock()
			m.read = append(m.read, string(message.Value))
			m.mutex.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *saramaMember) assigned() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.parts
}

func (m *saramaMember) values() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string(nil), m.read...)
}

func (m *saramaMember) leave() error {
	m.stop()
	<-m.ended
	return m.group.Close()
}

func (s *ibm) config(topic, key string) (string, error) {
	resource := sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{key}}
	entries, err := s.admin.DescribeConfig(resource)
	if err != nil || len(entries) != 1 {
		return "", fmt.Errorf("%d entries: %w", len(entries), err)
	}
	return entries[0].Value, nil
}

func (s *ibm) alter(topic, key, value string) error {
	change := sarama.IncrementalAlterConfigsEntry{
		Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	changes := map[string]sarama.IncrementalAlterConfigsEntry{key: change}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic, changes, false)
}

func (s *ibm) addPartitions(topic string, count int32) error {
	return s.admin.CreatePartitions(topic, count, nil, false)
}

func (s *ibm) partitions(topic string) (int, error) {
	found, err := s.admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, err
	}
	return len(found[0].Partitions), nil
}

func (s *ibm) deleteRecords(topic string, offset int64) error {
	return s.admin.DeleteRecords(topic, map[int32]int64{0: offset})
}

func (s *ibm) remove(topic string) error { return s.admin.DeleteTopic(topic) }

func (s *ibm) topics() ([]string, error) {
	found, err := s.admin.ListTopics()
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return names, err
}

type saramaTransactional struct{ producer sarama.SyncProducer }

func (s *ibm) transactional(id string) (transactional, error) {
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = id
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(s.seeds, config)
	return &saramaTransactional{producer}, err
}

func (t *saramaTransactional) run(topic string, values []string, commit bool) error {
	if err := t.producer.BeginTxn(); err != nil {
		return err
	}
	for _, value := range values {
		sent := message(topic, record{value: []byte(value)})
		if _, _, err := t.producer.SendMessage(sent); err != nil {
			return err
		}
	}
	if commit {
		return t.producer.CommitTxn()
	}
	return t.producer.AbortTxn()
}

func (t *saramaTransactional) close() { t.producer.Close() }
