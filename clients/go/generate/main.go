// Command generate writes the Go messages and stubs below the folder govcode, from the protos alone.
//
// Nothing but Go is needed: the protos are compiled by a library, and the two plug-ins, protoc-gen-go and
// protoc-gen-go-grpc, are tools of this module, pinned in go.mod. Whoever has protoc gets the same files by
//
//	protoc -I protos --go_out=. --go_opt=module=govcode.cn/go --go-grpc_out=. --go-grpc_opt=module=govcode.cn/go …
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// module is cut off the front of each go_package: the rest is the folder.
const module = "govcode.cn/go"

func main() {
	protos := flag.String("protos", environment("GOVCODE_PROTOS", filepath.Join("..", "..", "protos")), "folder of the protos")
	out := flag.String("out", ".", "folder of this module; the stubs go below govcode in it")
	flag.Parse()
	if err := generate(*protos, *out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func generate(protos, out string) error {
	request, err := compile(protos)
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		if err := run(plugin, request, files); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	// All of the folder is generated: what the protos no longer describe must not stay.
	if err := os.RemoveAll(filepath.Join(out, "govcode")); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compile reads all protos and makes of them what protoc would hand to a plug-in.
func compile(protos string) (*pluginpb.CodeGeneratorRequest, error) {
	names, err := protoNames(protos)
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{protos}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // the comments become Go documentation
	}
	compiled, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String("module=" + module)}
	seen := map[string]bool{}
	for _, file := range compiled {
		request.ProtoFile = withImports(request.ProtoFile, file, seen)
	}
	return request, nil
}

func protoNames(protos string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(protos, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".proto") {
			relative, _ := filepath.Rel(protos, path)
			names = append(names, filepath.ToSlash(relative))
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no .proto files below %s", protos)
	}
	slices.Sort(names)
	return names, err
}

// withImports adds a file after all that it imports, as plug-ins demand.
func withImports(
	files []*descriptorpb.FileDescriptorProto, file protoreflect.FileDescriptor, seen map[string]bool,
) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return files
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for at := range imports.Len() {
		files = withImports(files, imports.Get(at).FileDescriptor, seen)
	}
	return append(files, protodesc.ToFileDescriptorProto(file))
}

// run feeds a plug-in and adds the files that it returns.
func run(plugin string, request *pluginpb.CodeGeneratorRequest, files map[string]string) error {
	input, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	command := exec.Command("go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(output, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, file := range response.File {
		files[file.GetName()] = file.GetContent()
	}
	return nil
}
