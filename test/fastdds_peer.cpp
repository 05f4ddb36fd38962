// A participant of Fast DDS 2 whose samples are raw CDR, for test_dds_vendors.py.
//
// Arguments: the domain. Lines of standard input: "writer TOPIC TYPE", "reader TOPIC TYPE",
// "write TOPIC HEX", "matched TOPIC". Lines of standard output: "matched COUNT", "got TOPIC HEX".

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>
#include <fastdds/rtps/transport/UDPv4TransportDescriptor.h>

using namespace eprosima::fastdds::dds;
using eprosima::fastrtps::rtps::InstanceHandle_t;
using eprosima::fastrtps::rtps::SerializedPayload_t;
using Bytes = std::vector<uint8_t>;

std::mutex output;

void say(const std::string & line)
{
  std::lock_guard<std::mutex> guard(output);
  std::cout << line << std::endl;
}

struct RawType : TopicDataType
{
  explicit RawType(const std::string & name)
  {
    setName(name.c_str());
    m_typeSize = 1 << 16;
    m_isGetKeyDefined = false;
  }
  bool serialize(void * data, SerializedPayload_t * payload) override
  {
    const auto & bytes = *static_cast<Bytes *>(data);
    std::memcpy(payload->data, bytes.data(), bytes.size());
    payload->length = bytes.size();
    return true;
  }
  bool deserialize(SerializedPayload_t * payload, void * data) override
  {
    static_cast<Bytes *>(data)->assign(payload->data, payload->data + payload->length);
    return true;
  }
  std::function<uint32_t()> getSerializedSizeProvider(void * data) override
  {
    return [data] {return static_cast<uint32_t>(static_cast<Bytes *>(data)->size());};
  }
  void * createData() override {return new Bytes;}
  void deleteData(void * data) override {delete static_cast<Bytes *>(data);}
  bool getKey(void *, InstanceHandle_t *, bool) override {return false;}
};

struct Listener : DataReaderListener
{
  explicit Listener(std::string topic)
  : topic_(std::move(topic)) {}
  void on_data_available(DataReader * reader) override
  {
    Bytes bytes;
    SampleInfo info;
    while (reader->take_next_sample(&bytes, &info) == ReturnCode_t::RETCODE_OK) {
      if (info.valid_data) {
        std::ostringstream hex;
        for (int byte : bytes) {
          hex << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
        }
        say("got " + topic_ + " " + hex.str());
      }
    }
  }
  std::string topic_;
};

int main(int, char ** arguments)
{
  auto udp = std::make_shared<eprosima::fastdds::rtps::UDPv4TransportDescriptor>();
  udp->interfaceWhiteList.push_back("127.0.0.1");
  DomainParticipantQos qos;
  qos.transport().use_builtin_transports = false;
  qos.transport().user_transports.push_back(udp);
  auto * participant = DomainParticipantFactory::get_instance()->create_participant(
    std::atoi(arguments[1]), qos);
  auto * publisher = participant->create_publisher(PUBLISHER_QOS_DEFAULT);
  auto * subscriber = participant->create_subscriber(SUBSCRIBER_QOS_DEFAULT);
  const auto memory = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
  DataWriterQos writer_qos;
  writer_qos.durability().kind = VOLATILE_DURABILITY_QOS;
  writer_qos.endpoint().history_memory_policy = memory;
  DataReaderQos reader_qos;
  reader_qos.reliability().kind = RELIABLE_RELIABILITY_QOS;
  reader_qos.history().depth = 10;
  reader_qos.endpoint().history_memory_policy = memory;

  std::map<std::string, DataWriter *> writers;
  std::map<std::string, DataReader *> readers;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what, topic, rest;
    words >> what >> topic >> rest;
    if (what == "writer" || what == "reader") {
      TypeSupport(new RawType(rest)).register_type(participant);
      auto * made = participant->create_topic(topic, rest, TOPIC_QOS_DEFAULT);
      if (what == "writer") {
        writers[topic] = publisher->create_datawriter(made, writer_qos);
      } else {
        readers[topic] = subscriber->create_datareader(made, reader_qos, new Listener(topic));
      }
    } else if (what == "write") {
      Bytes bytes;
      for (size_t i = 0; i + 1 < rest.size(); i += 2) {
        bytes.push_back(std::stoi(rest.substr(i, 2), nullptr, 16));
      }
      writers.at(topic)->write(&bytes);
    } else if (what == "matched") {
      int count;
      if (writers.count(topic)) {
        PublicationMatchedStatus status;
        writers[topic]->get_publication_matched_status(status);
        count = status.current_count;
      } else {
        SubscriptionMatchedStatus status;
        readers.at(topic)->get_subscription_matched_status(status);
        count = status.current_count;
      }
      say("matched " + std::to_string(count));
    }
  }
}
