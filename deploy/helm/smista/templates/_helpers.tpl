{{- define "smista.labels" -}}
app.kubernetes.io/name: smista
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Labels that never change, so that selectors may use them. */ -}}
{{- define "smista.selector" -}}
app.kubernetes.io/name: smista
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "smista.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* SMISTA_SECTION__KEY for every setting. */ -}}
{{- define "smista.settings" -}}
{{- range $section, $keys := .root.Values.settings }}
{{- range $key, $value := $keys }}
- name: {{ printf "SMISTA_%s__%s" (upper $section) (upper $key) }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
- name: SMISTA_INTERACTION__IDENTITY_KEY_FILE
  value: /run/secrets/smista/identity-key
{{- if .root.Values.policy }}
- name: SMISTA_POLICY__PATH
  value: /etc/smista/policy.toml
{{- end }}
{{- end }}

{{- define "smista.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "smista.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "smista.mounts" -}}
- { name: secrets, mountPath: /run/secrets/smista, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- if .Values.policy }}
- { name: policy, mountPath: /etc/smista, readOnly: true }
{{- end }}
{{- end }}

{{- /* Only the keys that a component needs: a list under "keys". */ -}}
{{- define "smista.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .root.Values.secretName }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if .root.Values.policy }}
- name: policy
  configMap: { name: {{ .root.Release.Name }}-policy }
{{- end }}
{{- end }}
