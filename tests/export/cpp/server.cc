// Loads SavedModels as TensorFlow Serving does, with the C++ loader and the tag "serve", and sends
// requests to their signatures.
//
//     server LIBRARIES MODELS REQUESTS ANSWERS
//     server LIBRARIES MODELS GOOD HOSTILE COUNT THREADS [THREADS ...]
//
// LIBRARIES with ops, and MODELS, are separated by commas. The first form writes the answer of each
// request. The second form first sends each request alone, then COUNT requests from as many
// THREADS, for each of the numbers; a third of them are HOSTILE. Each answer must equal that of the
// same request alone, bit for bit, and each error must be InvalidArgument, as it was alone. It
// prints "fault", NUMBER and a message, separated by tabs, for everything else, and for each number of
// threads a line: the threads, the good requests, milliseconds of them at the median and at 99 %, the
// hostile requests that were answered, those that were refused, and the memory in MB before and
// after. If the program crashes, it prints the NUMBER of the request.
//
// Files contain NamedTensorProto messages, each preceded by its length in 8 bytes. Names are
// NUMBER:MODEL:SIGNATURE:INPUT in requests, where MODEL counts from 0, and NUMBER:OUTPUT in answers.

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"

namespace {

using Tensors = std::map<std::string, tensorflow::Tensor>;
using Models = std::vector<tensorflow::SavedModelBundle>;

struct Request {
  size_t model;
  std::string signature;
  Tensors inputs;
};

struct Answer {
  absl::Status status;
  Tensors outputs;
};

// A request and what it is answered alone.
struct Known {
  int number;
  Request request;
  Answer answer;
};

// More seconds for a request alone are a fault.
constexpr double kLongest = 20;

std::atomic<int> last_sent = -1;

void Crashed(int signal) {
  dprintf(STDERR_FILENO, "signal %d, request %d\n", signal, last_sent.load());
  _exit(128 + signal);
}

double Milliseconds(std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  return took.count();
}

void PrintFault(int number, const std::string& message) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cout << "fault\t" << number << "\t" << line << std::endl;
}

void Check(bool holds, const std::string& message) {
  if (holds) return;
  std::cerr << message << std::endl;
  std::exit(1);
}

void Check(const absl::Status& status) { Check(status.ok(), status.ToString()); }

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::map<int, Request> Read(const char* path) {
  std::map<int, Request> requests;
  std::ifstream file(path, std::ios::binary);
  uint64_t size;
  while (file.read(reinterpret_cast<char*>(&size), sizeof(size))) {
    std::string bytes(size, '\0');
    file.read(bytes.data(), size);
    tensorflow::NamedTensorProto message;
    Check(message.ParseFromString(bytes), "not a NamedTensorProto");
    const std::vector<std::string> name = Split(message.name(), ':');
    Request& request = requests[std::stoi(name.at(0))];
    request.model = std::stoi(name.at(1));
    request.signature = name.at(2);
    if (name.size() < 4) continue;  // A request without inputs.
    Check(request.inputs[name[3]].FromProto(message.tensor()), message.name());
  }
  return requests;
}

void Write(std::ofstream& file, const std::string& name, const tensorflow::Tensor& tensor) {
  tensorflow::NamedTensorProto message;
  message.set_name(name);
  tensor.AsProtoField(message.mutable_tensor());
  const std::string bytes = message.SerializeAsString();
  const uint64_t size = bytes.size();
  file.write(reinterpret_cast<const char*>(&size), sizeof(size));
  file.write(bytes.data(), size);
}

Answer Send(const Models& models, const Request& request) {
  const tensorflow::SavedModelBundle& bundle = models.at(request.model);
  const auto signature = bundle.GetSignatures().find(request.signature);
  Check(signature != bundle.GetSignatures().end(), "no signature " + request.signature);
  std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
  for (const auto& [name, tensor] : request.inputs) {
    const auto input = signature->second.inputs().find(name);
    if (input == signature->second.inputs().end()) {  // Not for the session, as in the server.
      return {absl::InvalidArgumentError("no input " + name), {}};
    }
    feeds.emplace_back(input->second.name(), tensor);
  }
  std::vector<std::string> names, fetches;
  for (const auto& [name, info] : signature->second.outputs()) {
    names.push_back(name);
    fetches.push_back(info.name());
  }
  std::vector<tensorflow::Tensor> outputs;
  Answer answer{bundle.session->Run(feeds, fetches, {}, &outputs), {}};
  for (size_t i = 0; i < outputs.size(); ++i) answer.outputs[names[i]] = outputs[i];
  return answer;
}

bool Same(const tensorflow::Tensor& a, const tensorflow::Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() != tensorflow::DT_STRING) return a.tensor_data() == b.tensor_data();
  const auto x = a.flat<tensorflow::tstring>(), y = b.flat<tensorflow::tstring>();
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x(i) != y(i)) return false;
  }
  return true;
}

// Returns what is wrong with an answer; "" if nothing is.
std::string Fault(const Answer& received, const Answer& alone) {
  if (!received.status.ok() && !absl::IsInvalidArgument(received.status)) {
    return received.status.ToString().substr(0, 300);
  }
  if (received.status.code() != alone.status.code()) return "answered alone only, or refused alone";
  for (const auto& [name, tensor] : alone.outputs) {
    if (!Same(received.outputs.at(name), tensor)) return "another " + name;
  }
  return "";
}

long Memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kilobytes;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

std::vector<Known> SendAlone(const Models& models, const char* path) {
  std::vector<Known> known;
  for (auto& [number, request] : Read(path)) {
    last_sent = number;
    const auto begin = std::chrono::steady_clock::now();
    Answer answer = Send(models, request);
    if (Milliseconds(begin) > 1000 * kLongest) PrintFault(number, "slow");
    const std::string fault = Fault(answer, answer);
    if (!fault.empty()) PrintFault(number, fault);
    known.push_back({number, std::move(request), std::move(answer)});
  }
  return known;
}

// Sends requests and returns a line of the table.
std::string Load(const Models& models, const std::vector<Known>& good,
                 const std::vector<Known>& hostile, int count, int threads) {
  const long before = Memory();
  std::mt19937 random(threads);
  std::vector<uint32_t> numbers(count);
  for (uint32_t& number : numbers) number = random();
  std::vector<double> milliseconds;
  std::atomic<int> next = 0, answered = 0, refused = 0;
  std::mutex mutex;
  auto work = [&] {
    for (int i = next++; i < count; i = next++) {
      const bool is_hostile = numbers[i] % 3 == 0;
      const std::vector<Known>& some = is_hostile ? hostile : good;
      const Known& known = some[numbers[i] / 3 % some.size()];
      last_sent = known.number;
      const auto begin = std::chrono::steady_clock::now();
      const Answer answer = Send(models, known.request);
      const double took = Milliseconds(begin);
      const std::string fault = Fault(answer, known.answer);
      const std::lock_guard<std::mutex> lock(mutex);
      if (is_hostile) {
        ++(answer.status.ok() ? answered : refused);
      } else {
        milliseconds.push_back(took);
      }
      if (!fault.empty()) PrintFault(known.number, fault);
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  std::sort(milliseconds.begin(), milliseconds.end());
  auto quantile = [&](double share) {
    return milliseconds.empty() ? 0 : milliseconds[share * (milliseconds.size() - 1)];
  };
  std::ostringstream line;
  line << threads << "\t" << milliseconds.size() << "\t" << quantile(0.5) << "\t"
       << quantile(0.99) << "\t" << answered << "\t" << refused << "\t" << before << "\t"
       << Memory();
  return line.str();
}

}  // namespace

int main(int argc, char** argv) {
  Check(argc == 5 || argc >= 7, "see the usage in server.cc");
  for (const int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) std::signal(signal, Crashed);
  for (const std::string& library : Split(argv[1], ',')) {
    Check(dlopen(library.c_str(), RTLD_NOW) != nullptr, "dlopen: " + library);
  }
  const std::vector<std::string> paths = Split(argv[2], ',');
  Models models(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    Check(tensorflow::LoadSavedModel({}, {}, paths[i], {"serve"}, &models[i]));
  }
  if (argc == 5) {
    std::ofstream answers(argv[4], std::ios::binary);
    for (const auto& [number, request] : Read(argv[3])) {
      const Answer answer = Send(models, request);
      Check(answer.status);
      for (const auto& [name, tensor] : answer.outputs) {
        Write(answers, std::to_string(number) + ":" + name, tensor);
      }
    }
    return 0;
  }
  const std::vector<Known> good = SendAlone(models, argv[3]);
  const std::vector<Known> hostile = SendAlone(models, argv[4]);
  for (const Known& known : good) Check(known.answer.status);
  Check(!good.empty() && !hostile.empty(), "both kinds of requests are needed");
  const int count = std::stoi(argv[5]);
  std::vector<int> threads;
  for (int i = 6; i < argc; ++i) threads.push_back(std::stoi(argv[i]));
  // Warms up.
  Load(models, good, hostile, count / 3, *std::max_element(threads.begin(), threads.end()));
  for (const int number : threads) {
    std::cout << Load(models, good, hostile, count, number) << std::endl;
  }
  return 0;
}
