package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

// segment is Segment's kafka-go. It has no transactions, and deletes no records.
type segment struct {
	seeds  []string
	factor int
	client *kafka.Client
}

func newSegmentio(seeds []string, factor int16) (client, error) {
	return &segment{seeds, int(factor), &kafka.Client{Addr: kafka.TCP(seeds...), Timeout: patience}}, nil
}

func (s *segment) create(topic string, count int32, config map[string]string) error {
	wanted := kafka.TopicConfig{
		Topic: topic, NumPartitions: int(count), ReplicationFactor: s.factor}
	for key, value := range config {
		wanted.ConfigEntries = append(wanted.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	request := &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{wanted}}
	response, err := s.client.CreateTopics(context.Background(), request)
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

var segmentioCodecs = map[string]kafka.Compression{
	"none": compress.None, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func (s *segment) produce(topic, codec string, records []record) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(s.seeds...), Topic: topic, RequiredAcks: kafka.RequireAll,
		Compression: segmentioCodecs[codec], BatchBytes: 20 << 20, BatchTimeout: 5 * time.Millisecond,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) }),
	}
	defer writer.Close()
	var sent []kafka.Message
	for _, r := range records {
		out := kafka.Message{Key: r.key, Value: r.value, WriterData: int(r.partition)}
		for _, h := range r.headers {
			out.Headers = append(out.Headers, kafka.Header{Key: h.key, Value: []byte(h.value)})
		}
		if r.timeMs != 0 {
			out.Time = time.UnixMilli(r.timeMs)
		}
		sent = append(sent, out)
	}
	return writer.WriteMessages(context.Background(), sent...)
}

func (s *segment) reader(topic string, partition int, from int64, committed bool) (*kafka.Reader, error) {
	config := kafka.ReaderConfig{
		Brokers: s.seeds, Topic: topic, Partition: partition, MinBytes: 1, MaxBytes: 50 << 20,
		MaxWait: 200 * time.Millisecond}
	if committed {
		config.IsolationLevel = kafka.ReadCommitted
	}
	reader := kafka.NewReader(config)
	return reader, reader.SetOffset(from)
}

func (s *segment) consume(topic string, partition int32, count int, committed bool) ([]record, error) {
	reader, err := s.reader(topic, int(partition), kafka.FirstOffset, committed)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var found []record
	for err == nil && len(found) < count {
		var m kafka.Message
		if m, err = reader.ReadMessage(ctx); err == nil {
			in := record{key: m.Key, value: m.Value, timeMs: m.Time.UnixMilli()}
			for _, h := range m.Headers {
				in.headers = append(in.headers, header{h.Key, string(h.Value)})
			}
			found = append(found, in)
		}
	}
	if err != nil {
		err = fmt.Errorf("%d of %d records: %w", len(found), count, err)
	}
	return found, err
}

type segmentioMember struct {
	segment *segment
	topic   string
	group   *kafka.ConsumerGroup
	stop    context.CancelFunc
	ended   chan struct{}
	mutex   sync.Mutex
	parts   int
	read    []string
}

func (s *segment) join(group, topic string) (member, error) {
	joined, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: s.seeds, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 500 * time.Millisecond, JoinGroupBackoff: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &segmentioMember{
		segment: s, topic: topic, group: joined, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if generation, err := joined.Next(ctx); err == nil {
				m.begin(generation)
			}
		}
	}()
	return m, nil
}

func (m *segmentioMember) begin(generation *kafka.Generation) {
	assigned := generation.Assignments[m.topic]
	m.mutex.Lock()
	m.parts = len(assigned)
	m.mutex.Unlock()
	for _, part := range assigned {
		generation.Start(func(ctx context.Context) { m.take(ctx, generation, part) })
	}
}

func (m *segmentioMember) take(
	ctx context.Context, generation *kafka.Generation, part kafka.PartitionAssignment,
) {
	reader, err := m.segment.reader(m.topic, part.ID, part.Offset, false)
	defer reader.Close()
	for err == nil {
		var message kafka.Message
		if message, err = reader.ReadMessage(ctx); err != nil {
			return
		}
		m.mutex.Lock()
		m.read = append(m.read, string(message.Value))
		m.mutex.Unlock()
		next := map[string]map[int]int64{m.topic: {part.ID: message.Offset + 1}}
		err = generation.CommitOffsets(next)
	}
}

func (m *segmentioMember) assigned() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.parts
}

func (m *segmentioMember) values() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string(nil), m.read...)
}

func (m *segmentioMember) leave() error {
	m.stop()
	<-m.ended
	return m.group.Close()
}

func (s *segment) config(topic, key string) (string, error) {
	response, err := s.client.DescribeConfigs(context.Background(), &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}}})
	if err != nil {
		return "", err
	}
	found := response.Resources[0]
	if found.Error != nil || len(found.ConfigEntries) != 1 {
		return "", fmt.Errorf("%d entries: %w", len(found.ConfigEntries), found.Error)
	}
	return found.ConfigEntries[0].ConfigValue, nil
}

func (s *segment) alter(topic, key, value string) error {
	response, err := s.client.IncrementalAlterConfigs(context.Background(),
		&kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
					Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil {
		return err
	}
	return response.Resources[0].Error
}

func (s *segment) addPartitions(topic string, count int32) error {
	response, err := s.client.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: count}}})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

func (s *segment) partitions(topic string) (int, error) {
	request := &kafka.MetadataRequest{Topics: []string{topic}}
	response, err := s.client.Metadata(context.Background(), request)
	if err != nil {
		return 0, err
	}
	return len(response.Topics[0].Partitions), response.Topics[0].Error
}

func (s *segment) deleteRecords(string, int64) error { return errNotOffered }

func (s *segment) remove(topic string) error {
	request := &kafka.DeleteTopicsRequest{Topics: []string{topic}}
	response, err := s.client.DeleteTopics(context.Background(), request)
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

func (s *segment) topics() ([]string, error) {
	response, err := s.client.Metadata(context.Background(), &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range response.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

func (s *segment) transactional(string) (transactional, error) { return nil, errNotOffered }
