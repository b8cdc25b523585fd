// Renders a chart as Helm does, for machines that have Go and no Helm: text/template, sprig, and what Helm adds of them
// that our chart uses (https://helm.sh/docs/chart_template_guide/function_list/). Knows no dependencies and no hooks.
//
//	render CHART VALUES...    values are YAML files, later ones go before earlier ones
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

// files are the chart's own, by their path in it, those behind symbolic links included.
type files map[string][]byte

func (f files) Get(path string) string { return string(f[path]) }

func (f files) Glob(pattern string) files {
	found := files{}
	for path, content := range f {
		if matches, _ := filepath.Match(pattern, path); matches {
			found[path] = content
		}
	}
	return found
}

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(chart string, given []string) error {
	own, err := readFiles(chart)
	if err != nil {
		return err
	}
	values := object{}
	if err := merge(values, own["values.yaml"]); err != nil {
		return err
	}
	for _, path := range given {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := merge(values, content); err != nil {
			return err
		}
	}
	metadata := object{}
	if err := yaml.Unmarshal(own["Chart.yaml"], &metadata); err != nil {
		return err
	}
	// A template says .Chart.AppVersion.
	about := object{}
	for key, value := range metadata {
		about[strings.ToUpper(key[:1])+key[1:]] = value
	}
	set := template.New("chart").Option("missingkey=zero")
	set.Funcs(functions(set))
	for path, content := range own {
		if strings.HasPrefix(path, "templates/") {
			if _, err := set.New(path).Parse(string(content)); err != nil {
				return err
			}
		}
	}
	release := object{"Name": "history", "Namespace": "chat", "Service": "Helm", "IsInstall": true, "Revision": 1}
	top := object{"Values": values, "Chart": about, "Release": release, "Files": own}
	for path := range own {
		if !strings.HasPrefix(path, "templates/") || strings.HasPrefix(filepath.Base(path), "_") {
			continue
		}
		var out bytes.Buffer
		if err := set.ExecuteTemplate(&out, path, top); err != nil {
			return err
		}
		// As Helm does: what a missing key leaves is nothing.
		text := strings.ReplaceAll(out.String(), "<no value>", "")
		fmt.Printf("---\n# Source: %s\n%s\n", path, text)
	}
	return nil
}

func readFiles(chart string) (files, error) {
	found := files{}
	var walk func(directory, prefix string) error
	walk = func(directory, prefix string) error {
		entries, err := os.ReadDir(directory)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			path := filepath.Join(directory, entry.Name())
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if info.IsDir() {
				err = walk(path, prefix+entry.Name()+"/")
			} else {
				found[prefix+entry.Name()], err = os.ReadFile(path)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return found, walk(chart, "")
}

// Maps are merged, everything else is replaced.
func merge(into object, text []byte) error {
	given := object{}
	if err := yaml.Unmarshal(text, &given); err != nil {
		return err
	}
	mergeMaps(into, given)
	return nil
}

func mergeMaps(into, given object) {
	for key, value := range given {
		inner, isMap := value.(object)
		outer, wasMap := into[key].(object)
		if isMap && wasMap {
			mergeMaps(outer, inner)
		} else {
			into[key] = value
		}
	}
}

func functions(set *template.Template) template.FuncMap {
	all := sprig.TxtFuncMap()
	all["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := set.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	all["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	all["toYaml"] = func(value interface{}) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	all["fromYaml"] = func(text string) object {
		value := object{}
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	return all
}
