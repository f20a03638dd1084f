// The scenario with openapi-generator's go.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	api "scenario/generated"
)

const (
	text      = "Exports are hard to find and take minutes. I would love a button that exports to CSV."
	oldText   = "Exports are slow."
	promise   = "I will send you the offer by Friday."
	unknownID = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
)

var (
	client = newClient()
	ctx    = context.WithValue(context.Background(), api.ContextAccessToken, os.Getenv("API_KEY"))
)

func newClient() *api.APIClient {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Getenv("API_URL")}}
	return api.NewAPIClient(configuration)
}

// check ends the program with the caller's line if a condition does not hold.
func check(condition bool, message string, values ...any) {
	if !condition {
		_, _, line, _ := runtime.Caller(1)
		fmt.Printf("main.go:%d: %s %v\n", line, message, values)
		os.Exit(1)
	}
}

// ok returns the decoded body of a successful response.
func ok[T any](body T, response *http.Response, err error) T {
	if err != nil {
		var refused *api.GenericOpenAPIError
		if errors.As(err, &refused) {
			err = fmt.Errorf("%w: %s", err, refused.Body())
		}
		panic(err)
	}
	return body
}

// refusal returns the status and the decoded body of an error response.
func refusal[T any, U any](_ U, response *http.Response, err error) (int, T) {
	var refused *api.GenericOpenAPIError
	check(errors.As(err, &refused), "no error of the service", err)
	model, typed := refused.Model().(T)
	check(typed, "the error has another type", refused.Model())
	return response.StatusCode, model
}

// eventually polls until the condition holds.
func eventually(condition func() bool) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if condition() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	panic("the condition was not met in time")
}

func at(day, minute int) time.Time {
	return time.Date(2026, 11, day, 9, minute, 0, 0, time.UTC)
}

func timestamp(day, minute int) api.Timestamp {
	moment := at(day, minute)
	return api.Timestamp{TimeTime: &moment}
}

func discovery() {
	push := func(externalID, text string, status int) *api.Signal {
		review := api.NewSignalTextCreate(text, api.SIGNALTYPE_REVIEW)
		review.SetSourceKey("app")
		review.SetExternalId(externalID)
		body := api.SignalTextCreateAsCreateSignalRequest(review)
		signal, response, err := client.SignalsAPI.CreateSignal(ctx).CreateSignalRequest(body).Execute()
		ok(signal, response, err)
		check(response.StatusCode == status, "another status", response.StatusCode)
		return signal
	}
	old := push("1", oldText, 201)
	signal := push("1", text, 200)
	check(signal.PublicId == old.PublicId, "another signal", signal.PublicId)
	created := []string{signal.Id, push("2", text, 201).Id, push("3", text, 201).Id}
	var listed []string
	list := client.SignalsAPI.ListSignals(ctx).Limit(2).Order(api.ORDER_ASC)
	for _, page := range []api.ApiListSignalsRequest{list, list.Offset(2)} {
		for _, each := range ok(page.Execute()) {
			listed = append(listed, each.Id)
		}
	}
	check(strings.Join(listed, " ") == strings.Join(created, " "), "other signals", listed)

	ok(client.SignalsAPI.ProcessSignal(ctx, signal.PublicId).Execute())
	eventually(func() bool {
		return ok(client.SignalsAPI.GetSignal(ctx, signal.Id).Execute()).Status == api.SIGNALSTATUS_PROCESSED
	})
	insights := ok(client.InsightsAPI.ListInsights(ctx).SignalId(signal.Id).Execute())
	check(len(insights) > 0, "no insights")
	for _, insight := range insights {
		evidence := ok(client.InsightsAPI.ListInsightEvidence(ctx, insight.Id).Execute())
		check(len(evidence) > 0, "no evidence")
		for _, each := range evidence {
			check(text[each.Start:each.End] == each.Quote, "another quote", each.Quote)
		}
	}

	idea := api.NewOpportunityCreate("Faster exports", "Exports take minutes.")
	idea.SetScore(50)
	opportunity := ok(client.OpportunitiesAPI.CreateOpportunity(ctx).OpportunityCreate(*idea).Execute())
	check(*opportunity.Score.Get() == 50, "another score")
	changes := api.NewOpportunityUpdate()
	changes.SetScoreNil()
	patched := ok(client.OpportunitiesAPI.UpdateOpportunity(ctx, opportunity.Id).OpportunityUpdate(*changes).Execute())
	check(patched.Score.Get() == nil && patched.Name == "Faster exports", "not removed")

	missing, problem := refusal[api.ProblemDetails](client.SignalsAPI.GetSignal(ctx, unknownID).Execute())
	check(missing == 404 && problem.Type == "urn:gateway:problem:not-found", "another problem", problem)
	empty := api.SignalTextCreateAsCreateSignalRequest(api.NewSignalTextCreate("", api.SIGNALTYPE_REVIEW))
	status, refused := refusal[api.ProblemDetails](client.SignalsAPI.CreateSignal(ctx).CreateSignalRequest(empty).Execute())
	check(status == 400 && refused.Errors[0].Field == "text", "another problem", refused)
}

func revenue() {
	billing := *api.NewCreateSourceRequest("billing")
	source := ok(client.SourcesAPI.CreateSource(ctx).CreateSourceRequest(billing).Execute()).Id
	rows(source)
	messages(source)
	conversation(source)
	document(source)

	missing, read := refusal[api.ReadError](client.DocumentsAPI.GetDocument(ctx, unknownID).Execute())
	check(missing == 404 && strings.Contains(read.Detail, "document"), "another error", read)
	status, conflict := refusal[api.WriteError](client.SourcesAPI.CreateSource(ctx).CreateSourceRequest(billing).Execute())
	check(status == 409 && conflict.Detail.Error == "conflict", "another error", conflict)
}

func rows(source string) {
	seats := api.NewFieldDefinitionRequest("seats", api.FIELDTYPES_INT)
	seats.SetRequired(true)
	definitions := []api.FieldDefinitionRequest{*api.NewFieldDefinitionRequest("plan", api.FIELDTYPES_STRING), *seats}
	subscription := *api.NewCreateObjectTypeRequest(source, "subscription", definitions)
	objectType := ok(client.ObjectTypesAPI.CreateObjectType(ctx).CreateObjectTypeRequest(subscription).Execute())
	body := *api.NewRowRequest("row-1", source, objectType.Id, "ACME", map[string]api.RowFieldValue{
		"plan":  *api.NewRowFieldValue("team", api.FIELDTYPES_STRING),
		"seats": *api.NewRowFieldValue(12, api.FIELDTYPES_INT),
	})
	row := ok(client.RowsAPI.CreateRow(ctx).RowRequest(body).Execute())
	check(row.Status == api.RECORDSTATUS_CREATED, "not created", row)
	again := ok(client.RowsAPI.CreateRow(ctx).RowRequest(body).Execute())
	check(again.Status == api.RECORDSTATUS_UPDATED && again.RecordId == row.RecordId, "not updated", again)

	changes := api.NewUpdateRowRequest()
	changes.SetFields(map[string]*api.RowFieldValue{"plan": nil})
	ok(client.RowsAPI.UpdateRow(ctx).SourceId(source).RemoteId("row-1").UpdateRowRequest(*changes).Execute())
	read := ok(client.RowsAPI.GetRow(ctx, row.RecordId).Execute())
	check(len(read.Fields) == 1 && read.Fields["seats"].Value == 12.0, "other fields", read.Fields)
}

func messages(source string) {
	ana, rick := api.NewPerson(), api.NewPerson()
	ana.SetEmail("ana@acme.com")
	rick.SetEmail("rick@example.com")
	for number, day := range []int{11, 12, 13} {
		id := fmt.Sprintf("message-%d", number)
		message := api.NewMessageRequest(id, source, timestamp(day, 0), "Hello", *ana, []api.Person{*rick})
		ok(client.MessagesAPI.CreateMessage(ctx).MessageRequest(*message).Execute())
	}
	page := ok(client.MessagesAPI.ListMessages(ctx).Limit(2).Execute())
	listed := page.Messages
	for page.Pagination.HasMore {
		page = ok(client.MessagesAPI.ListMessages(ctx).Limit(2).Cursor(*page.Pagination.NextCursor.Get()).Execute())
		listed = append(listed, page.Messages...)
	}
	check(len(listed) == 3, "other messages", listed)
}

func conversation(source string) {
	ana, rick := api.NewPerson(), api.NewPerson()
	ana.SetId("ana")
	ana.SetEmail("ana@acme.com")
	rick.SetId("rick")
	rick.SetEmail("rick@example.com")
	first, second := api.NewTranscriptSentence(text, timestamp(11, 1)), api.NewTranscriptSentence(promise, timestamp(11, 2))
	first.SetSpeakerId("ana")
	second.SetSpeakerId("rick")
	call := api.NewConversationRequest("call-1", source, timestamp(11, 0), timestamp(11, 0), []api.Person{*ana, *rick})
	call.SetEndedAt(timestamp(11, 30))
	call.SetTranscript([]api.TranscriptSentence{*first, *second})
	id := ok(client.ConversationsAPI.CreateConversation(ctx).ConversationRequest(*call).Execute()).RecordId
	eventually(func() bool {
		found := ok(client.ConversationsAPI.GetConversation(ctx, id).Execute())
		return found.Processing.Status == api.PROCESSINGSTATUS_PROCESSED && found.Summary != nil
	})
	quotes := 0
	for _, section := range *ok(client.ConversationsAPI.ListConversationEvidence(ctx, id).Execute()) {
		for _, each := range section {
			check(each.Quote != "", "an empty quote")
			quotes++
		}
	}
	check(quotes > 0, "no evidence")
}

func document(source string) {
	note := api.NewDocumentRequest("doc-1", source)
	note.SetFilename("note.txt")
	note.SetContent(base64.StdEncoding.EncodeToString([]byte(text)))
	id := ok(client.DocumentsAPI.CreateDocument(ctx).DocumentRequest(*note).Execute()).RecordId
	eventually(func() bool {
		return ok(client.DocumentsAPI.GetDocument(ctx, id).Execute()).Processing.Status == api.PROCESSINGSTATUS_PROCESSED
	})
	found := ok(client.DocumentsAPI.GetDocument(ctx, id).Execute())
	check(found.NormalizedUrl.IsSet() && found.DisplayName == "note.txt", "another document", found)
}

func main() {
	discovery()
	revenue()
}
