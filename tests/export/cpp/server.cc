// Loads a SavedModel as TensorFlow Serving does, with the C++ loader and the tag "serve", and runs
// requests on its signatures.
//
//     server MODEL REQUESTS ANSWERS [OP_LIBRARY ...]
//
// REQUESTS and ANSWERS contain NamedTensorProto messages, each preceded by its length in 8 bytes.
// Names in REQUESTS are NUMBER:SIGNATURE:INPUT, names in ANSWERS are NUMBER:OUTPUT.

#include <dlfcn.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"

namespace {

struct Request {
  std::string signature;
  std::map<std::string, tensorflow::Tensor> inputs;
};

void Check(bool holds, const std::string& message) {
  if (holds) return;
  std::cerr << message << std::endl;
  std::exit(1);
}

void Check(const absl::Status& status) { Check(status.ok(), status.ToString()); }

std::map<int, Request> Read(const char* path) {
  std::map<int, Request> requests;
  std::ifstream file(path, std::ios::binary);
  uint64_t size;
  while (file.read(reinterpret_cast<char*>(&size), sizeof(size))) {
    std::string bytes(size, '\0');
    file.read(bytes.data(), size);
    tensorflow::NamedTensorProto message;
    Check(message.ParseFromString(bytes), "not a NamedTensorProto");
    const std::string& name = message.name();
    const size_t first = name.find(':'), second = name.find(':', first + 1);
    Request& request = requests[std::stoi(name.substr(0, first))];
    request.signature = name.substr(first + 1, second - first - 1);
    if (second + 1 == name.size()) continue;  // A request without inputs.
    Check(request.inputs[name.substr(second + 1)].FromProto(message.tensor()), name);
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

}  // namespace

int main(int argc, char** argv) {
  Check(argc >= 4, "usage: server MODEL REQUESTS ANSWERS [OP_LIBRARY ...]");
  for (int i = 4; i < argc; ++i) {
    Check(dlopen(argv[i], RTLD_NOW) != nullptr, std::string("dlopen: ") + argv[i]);
  }
  tensorflow::SavedModelBundle bundle;
  Check(tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle));
  std::ofstream answers(argv[3], std::ios::binary);
  for (const auto& [number, request] : Read(argv[2])) {
    const auto& signatures = bundle.GetSignatures();
    const auto signature = signatures.find(request.signature);
    Check(signature != signatures.end(), "no signature " + request.signature);
    std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
    for (const auto& [name, tensor] : request.inputs) {
      feeds.emplace_back(signature->second.inputs().at(name).name(), tensor);
    }
    std::vector<std::string> names, fetches;
    for (const auto& [name, info] : signature->second.outputs()) {
      names.push_back(name);
      fetches.push_back(info.name());
    }
    std::vector<tensorflow::Tensor> outputs;
    Check(bundle.session->Run(feeds, fetches, {}, &outputs));
    for (size_t i = 0; i < names.size(); ++i) {
      Write(answers, std::to_string(number) + ":" + names[i], outputs[i]);
    }
  }
  return 0;
}
