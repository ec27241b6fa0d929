// Mutations whose payloads change the store: a node is updated by its id, new ones are put into lists, deleted ones removed.
import { graphql } from "relay-runtime";

graphql`
  mutation CorrectMutation($input: DiabetesFeedbackInput!) {
    diabetesFeedback(input: $input) {
      feedback {
        id
        value
      }
      prediction {
        id
        truth
      }
    }
  }
`;

graphql`
  mutation CorrectCreateMutation($input: DiabetesCreateInput!, $connections: [ID!]!) {
    diabetesCreate(input: $input) {
      entityEdge @appendEdge(connections: $connections) {
        cursor
        node {
          id
          key
        }
      }
    }
  }
`;

graphql`
  mutation CorrectRemoveMutation($input: DiabetesDeleteInput!) {
    diabetesDelete(input: $input) {
      deletedId @deleteRecord
    }
  }
`;

graphql`
  mutation CorrectDeleteMutation($ids: [ID!]!, $connections: [ID!]!) {
    deletePredictions(input: { ids: $ids, dryRun: true }) {
      count
      deletedIds @deleteRecord @deleteEdge(connections: $connections)
    }
  }
`;
