{{- define "backscroll.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "backscroll.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "backscroll.labels" -}}
{{ include "backscroll.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "backscroll.secret" -}}
{{- required "existingSecret must name a Secret with DATABASE_URL and REDIS_URL" .Values.existingSecret -}}
{{- end -}}

{{/* How long a pod may take to stop: not being sent requests any more, DRAIN_TIMEOUT_MS, saving what it gives up. */}}
{{- define "backscroll.gracePeriodSeconds" -}}
{{- add 5 (div (int (default 10000 .Values.settings.DRAIN_TIMEOUT_MS)) 1000) 20 -}}
{{- end -}}
